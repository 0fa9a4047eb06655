import type { Route, RouteMatch } from '../plan.ts';
import type { Aliases } from './spares.ts';

/**
 * Routes as a map of HAProxy, in which the longest beginning wins. A request is looked up as its host, its path and
 * {@link END}; a prefix stands as host, path and a slash, so that it matches whole elements; an exact path ends as
 * requests do, and is longer than any prefix of it.
 */
const END = '/\x01';
/** The same in a configuration. */
export const endOfRequest = '/\\x01';

export function routeMapKey({ host, match, path }: RouteMatch): string {
  if (match === 'exact') return `${host}${path}${END}`;
  return path === '/' ? `${host}/` : `${host}${path}/`;
}

/**
 * Fields of a map's value, as the configuration takes them apart. `host` is there where the route is for one only, `name`
 * where the backend is a spare one, `split` where several share the requests: `300000:web-1:1000000:web-2`.
 */
export const field = {
  backend: 1,
  source: 2,
  host: 3,
  weight: 4,
  canary: 5,
  header: 6,
  value: 7,
  name: 8,
  split: 9,
} as const;

/** What a value says. */
export interface RouteValue {
  readonly backend: string;
  readonly source: string;
  /** Left out, or with a wildcard: not one host. */
  readonly host?: string;
  readonly canary?: Route['canary'];
  /** Of a million draws those below the number, and not below the one before it, are the backend's. */
  readonly split?: readonly { readonly below: number; readonly backend: string }[];
}

/** The value where no route is found: no backend has this name. */
export const nowhere = '-';

/** Stands between a map's value, which has none of it, and the host in a line of the access log. */
export const beforeHost = '=';

/** A line of the access log begins with this word. */
export const lineStart = 'request';

export function formatValue(route: RouteValue, aliases: Aliases = new Map()): string {
  const { backend, source, host = '', canary, split = [] } = route;
  const served = (name: string) => aliases.get(name) ?? name;
  const fields = {
    backend: served(backend),
    source,
    host: host.startsWith('*') ? '' : host,
    weight: canary?.weight,
    canary: canary && served(canary.backend),
    header: canary?.header?.toLowerCase(),
    value: canary && (canary.value ?? 'always'),
    name: served(backend) === backend ? undefined : backend,
    split: split.map((each) => `${each.below}:${served(each.backend)}`).join(':'),
  } satisfies Record<keyof typeof field, unknown>;
  return Object.values(fields).join(';').replace(/;+$/, '');
}

/** The map whole: key → value. */
export function routeMap(routes: Iterable<Route>, aliases?: Aliases): Map<string, string> {
  return new Map([...routes].map((route) => [routeMapKey(route), formatValue(route, aliases)]));
}

export function formatMap(map: Iterable<readonly [key: string, value: string]>): string {
  return [...map].map(([key, value]) => `${key} ${value}\n`).join('');
}
