import type { Changes } from './changes.ts';
import type { Elements } from './elements.ts';

/** Who wants elements. Always the same object for the same owner. */
export interface Owner {
  readonly key: string;
  /** The older one wins; of two of one age the one whose key comes first. */
  readonly createdAt: string;
}

interface Claim {
  readonly owner: Owner;
  readonly value: string;
}

/**
 * Who wants which element. Several owners may want one (a pod's hairpin, an address of two Services): it stays until
 * the last of them lets go, and where their values differ the oldest owner's stands.
 */
export class Claims {
  /** By map and key. Nearly all have one owner: these have no list. */
  readonly #claims = new Map<string, Map<string, Claim | readonly Claim[]>>();

  /** Replaces the owner's elements; notes in `changes` what that does. */
  replace(owner: Owner, before: Elements, after: Elements, changes: Changes): void {
    for (const [map, elements] of before) {
      const wanted = after.get(map);
      for (const key of elements.keys()) if (!wanted?.has(key)) this.#set(map, key, owner, undefined, changes);
    }
    for (const [map, elements] of after) {
      const had = before.get(map);
      for (const [key, value] of elements) if (had?.get(key) !== value) this.claim(owner, map, key, value, changes);
    }
  }

  claim(owner: Owner, map: string, key: string, value: string, changes: Changes): void {
    const claim: Claim = { owner, value };
    const claims = this.#of(map);
    if (claims.has(key)) {
      this.#set(map, key, owner, claim, changes);
      return;
    }
    claims.set(key, claim);
    changes.note(map, key, undefined, value);
  }

  /** Every element that should be there. */
  elements(): Elements {
    const all: Elements = new Map();
    for (const [map, claims] of this.#claims) {
      all.set(map, new Map([...claims].map(([key, each]) => [key, winner(each)?.value ?? ''])));
    }
    return all;
  }

  get(map: string, key: string): string | undefined {
    return winner(this.#claims.get(map)?.get(key))?.value;
  }

  #of(map: string): Map<string, Claim | readonly Claim[]> {
    let claims = this.#claims.get(map);
    if (!claims) {
      claims = new Map();
      this.#claims.set(map, claims);
    }
    return claims;
  }

  #set(map: string, key: string, owner: Owner, claim: Claim | undefined, changes: Changes): void {
    const claims = this.#of(map);
    const was = claims.get(key);
    const others = listOf(was).filter((each) => each.owner !== owner);
    const now = claim ? [...others, claim] : others;
    const [only] = now;
    if (only === undefined) claims.delete(key);
    else claims.set(key, now.length === 1 ? only : now);
    changes.note(map, key, winner(was)?.value, winner(now)?.value);
  }
}

function isList(claims: Claim | readonly Claim[]): claims is readonly Claim[] {
  return Array.isArray(claims);
}

function listOf(claims: Claim | readonly Claim[] | undefined): readonly Claim[] {
  if (claims === undefined) return [];
  return isList(claims) ? claims : [claims];
}

function winner(claims: Claim | readonly Claim[] | undefined): Claim | undefined {
  if (claims === undefined || !isList(claims)) return claims;
  return claims.reduce<Claim | undefined>((a, b) => (a === undefined || isOlder(b.owner, a.owner) ? b : a), undefined);
}

function isOlder(a: Owner, b: Owner): boolean {
  return a.createdAt === b.createdAt ? a.key < b.key : a.createdAt < b.createdAt;
}
