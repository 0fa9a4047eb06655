import type { Route } from '../plan.ts';

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

/** Fields of a map's value, as the configuration takes them apart. */
export const field = { backend: 1, source: 2, weight: 3, canary: 4, header: 5, value: 6 } as const;

export function routeMapValue({ backend, source, canary }: Route): string {
  if (!canary) return `${backend};${source}`;
  const { weight, header = '', value = 'always' } = canary;
  return [backend, source, weight, canary.backend, header.toLowerCase(), value].join(';');
}

/** The map whole: key → value. */
export function routeMap(routes: Iterable<Route>): Map<string, string> {
  return new Map([...routes].map((route) => [routeMapKey(route), routeMapValue(route)]));
}

export function formatMap(map: ReadonlyMap<string, string>): string {
  return [...map].map(([key, value]) => `${key} ${value}\n`).join('');
}
