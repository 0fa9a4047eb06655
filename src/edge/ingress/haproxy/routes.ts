import type { Route } from '../plan.ts';
import type { Aliases } from './spares.ts';

/**
 * Routes as a map of HAProxy, in which the longest beginning wins. A request is looked up as its host, its path and
 * {@link END}; a prefix stands as host, path and a slash, so that it matches whole elements; an exact path ends as
 * requests do, and is longer than any prefix of it.
 */
const END = '/\x01';
/** The same in a configuration. */
export const endOfRequest = '/\\x01';

export function routeMapKey({ host, match, path }: Route): string {
  if (match === 'exact') return `${host}${path}${END}`;
  return path === '/' ? `${host}/` : `${host}${path}/`;
}

/**
 * Fields of a map's value, as the configuration takes them apart. `host` is there where the route is for one only, `name`
 * where the backend is a spare one.
 */
export const field = { backend: 1, source: 2, host: 3, weight: 4, canary: 5, header: 6, value: 7, name: 8 } as const;

/** The value where no route is found: no backend has this name. */
export const nowhere = '-';

/** Stands between a map's value, which has none of it, and the host in a line of the access log. */
export const beforeHost = '=';

/** A line of the access log begins with this word. */
export const lineStart = 'request';

export function routeMapValue({ host, backend, source, canary }: Route, aliases: Aliases = new Map()): string {
  const served = aliases.get(backend) ?? backend;
  const { weight = '', header = '', value = 'always' } = canary ?? {};
  const split = canary && (aliases.get(canary.backend) ?? canary.backend);
  const name = served === backend ? [] : [backend];
  const begin = [served, source, host.startsWith('*') ? '' : host];
  if (split !== undefined) return [...begin, weight, split, header.toLowerCase(), value, ...name].join(';');
  return [...begin, ...(name.length > 0 ? ['', '', '', '', ...name] : [])].join(';');
}

/** The map whole: key → value. */
export function routeMap(routes: Iterable<Route>, aliases?: Aliases): Map<string, string> {
  return new Map([...routes].map((route) => [routeMapKey(route), routeMapValue(route, aliases)]));
}

export function formatMap(map: Iterable<readonly [key: string, value: string]>): string {
  return [...map].map(([key, value]) => `${key} ${value}\n`).join('');
}
