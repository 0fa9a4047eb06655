import type { Choice, HostPlan, PathPlan } from '../ingress/plan.ts';
import { covering, moreSpecificFirst } from './hostnames.ts';
import type { PlannedListener } from './listeners.ts';
import type { Match } from './rules.ts';

/** A match of a route that is attached to a listener: what of its requests a choice is for. */
export interface Candidate extends Match, Pick<Choice, 'backends' | 'source' | 'kind' | 'rule'> {
  readonly listener: PlannedListener;
  /** What listener and route both mean. */
  readonly host: string;
  readonly createdAt: string;
}

/**
 * Settles which choice requests of a port have, by host and path: listeners are apart from each other, so that a
 * request is of the one with the most specific host, and of that one's routes alone (Gateway, `spec.listeners`).
 */
export function settleHosts(listeners: readonly PlannedListener[], candidates: readonly Candidate[]): HostPlan[] {
  const hosts = new Set([...listeners, ...candidates].map(({ host }) => host));
  const listenerOf = new Map(listeners.map((each) => [each.host, each]));
  const candidatesOf = Map.groupBy(candidates.toSorted(before), ({ host }) => host);
  return [...hosts].toSorted(moreSpecificFirst).map((host) => {
    const possible = covering(host);
    const listener = possible.map((each) => listenerOf.get(each)).find((each) => each !== undefined);
    const own = possible.flatMap((each) => candidatesOf.get(each) ?? []);
    return { host, paths: settlePaths(own.filter((each) => each.listener === listener)) };
  });
}

/** The longest path that a request has decides; what shorter ones wish stands behind it. */
function settlePaths(candidates: readonly Candidate[]): PathPlan[] {
  const paths = new Map<string, Pick<PathPlan, 'match' | 'path'>>([['prefix /', { match: 'prefix', path: '/' }]]);
  for (const { match, path } of candidates) if (match !== 'regex') paths.set(`${match} ${path}`, { match, path });
  return [...paths.values()].map(({ match, path }) => {
    const possible = candidates.filter((each) => mayMatch(each, match, path)).map(choiceOf);
    const decisive = possible.findIndex(({ when }) => when.length === 0);
    return { match, path, choices: decisive < 0 ? possible : possible.slice(0, decisive + 1) };
  });
}

function mayMatch(candidate: Candidate, match: PathPlan['match'], path: string): boolean {
  switch (candidate.match) {
    case 'regex':
      return true;
    case 'exact':
      return match === 'exact' && candidate.path === path;
    case 'prefix':
      return candidate.path === '/' || path === candidate.path || path.startsWith(`${candidate.path}/`);
  }
}

function choiceOf({ match, path, when, backends, source, kind, rule }: Candidate): Choice {
  return { when: match === 'regex' ? [{ on: 'path', regex: path }, ...when] : when, backends, source, kind, rule };
}

/** The order, of one host, that HTTPRouteRule's `matches` documents; rules of one route and their matches stay as they are. */
function before(a: Candidate, b: Candidate): number {
  const exact = (each: Candidate) => Number(each.match === 'exact');
  const count = (each: Candidate, on: string) => each.when.filter((condition) => condition.on === on).length;
  return (
    exact(b) - exact(a) ||
    b.specificity - a.specificity ||
    count(b, 'method') - count(a, 'method') ||
    count(b, 'header') - count(a, 'header') ||
    count(b, 'query') - count(a, 'query') ||
    compare(a.createdAt, b.createdAt) ||
    compare(a.source, b.source)
  );
}

function compare(a: string, b: string): number {
  return a < b ? -1 : Number(a > b);
}
