import type { Note } from './ingress.ts';
import { type CanaryRule, type Route, type RouteMatch, routeKey } from './plan.ts';

/** An object's wish to serve what matches. */
export interface Claim extends RouteMatch {
  /** A `default` holds where no rule claims the same. */
  readonly rank: 'rule' | 'default';
  readonly backend: string;
  /** `namespace/name` of the object. */
  readonly source: string;
  /** It wants only a part of another's requests. */
  readonly canary?: CanaryRule;
}

/** What claims are taken from: an object with its age. */
export interface Claimant {
  readonly key: string;
  readonly createdAt: string;
  readonly claims: readonly Claim[];
}

export interface Settled {
  readonly routes: ReadonlyMap<string, Route>;
  /** Whose claims were lost, by the object's key. */
  readonly notes: ReadonlyMap<string, readonly Note[]>;
}

/** Gives each match to one object: to the older one where two claim it, and tells the younger. */
export function settleClaims(claimants: Iterable<Claimant>): Settled {
  const ordered = [...claimants].toSorted(olderFirst);
  const taken = new Map<string, Claim>();
  const canaries = new Map<string, Claim>();
  const lost: Lost[] = [];
  for (const rank of ['rule', 'default'] as const) {
    for (const claim of ordered.flatMap(({ claims }) => claims.filter((each) => each.rank === rank))) {
      const key = routeKey(claim);
      const places = claim.canary ? canaries : taken;
      const winner = places.get(key);
      if (!winner) places.set(key, claim);
      // Defaults stand back in silence: that is what they are for.
      else if (rank === 'rule') lost.push({ key, claim, winner });
    }
  }
  for (const [key, claim] of canaries) if (!taken.has(key)) lost.push({ key, claim });
  return {
    routes: new Map([...taken].map(([key, claim]) => [key, route(claim, canaries.get(key))])),
    notes: notesOf(lost),
  };
}

interface Lost {
  readonly key: string;
  readonly claim: Claim;
  /** Not there: a canary beside nothing. */
  readonly winner?: Claim;
}

function notesOf(lost: readonly Lost[]): Map<string, Note[]> {
  const notes = new Map<string, Note[]>();
  for (const { key, claim, winner } of lost) {
    const message = winner
      ? `${key} is served by ${winner.source === claim.source ? 'another rule of this Ingress' : `Ingress ${winner.source}, which is older`}`
      : `${key} is nobody's yet: a canary takes a part of another Ingress' requests`;
    const note: Note = { type: 'Warning', reason: winner ? 'Conflict' : 'CanaryAlone', message };
    notes.set(claim.source, [...(notes.get(claim.source) ?? []), note]);
  }
  return notes;
}

function route({ host, match, path, backend, source }: Claim, canary: Claim | undefined): Route {
  const aside = canary?.canary && { ...canary.canary, backend: canary.backend, source: canary.source };
  return { host, match, path, backend, source, canary: aside };
}

export function olderFirst(a: { createdAt: string; key: string }, b: { createdAt: string; key: string }): number {
  if (a.createdAt !== b.createdAt) return a.createdAt < b.createdAt ? -1 : 1;
  return a.key < b.key ? -1 : 1;
}
