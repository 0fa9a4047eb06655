import type { Elements } from './elements.ts';

/** Who wants elements. */
export interface Owner {
  readonly key: string;
  /** The smaller one wins. */
  readonly precedence: string;
}

interface Claim {
  readonly owner: Owner;
  readonly value: string;
}

/** What an element was and shall be; `undefined`: not there. */
export interface Change {
  readonly before: string | undefined;
  readonly after: string | undefined;
}

/**
 * Who wants which element. Several owners may want one (a pod's hairpin, an address of two Services): it stays until
 * the last of them lets go, and where their values differ the oldest owner's stands.
 */
export class Claims {
  /** Nearly all have one owner: these have no list. */
  readonly #claims = new Map<string, Claim | readonly Claim[]>();

  /** Replaces the owner's elements; notes in `changes` what that does, by element. */
  replace(owner: Owner, before: Elements, after: Elements, changes: Map<string, Change>): void {
    for (const key of before.keys()) if (!after.has(key)) this.#set(key, owner, undefined, changes);
    for (const [key, value] of after) if (before.get(key) !== value) this.claim(owner, key, value, changes);
  }

  claim(owner: Owner, key: string, value: string, changes: Map<string, Change>): void {
    const claim: Claim = { owner, value };
    if (this.#claims.has(key)) {
      this.#set(key, owner, claim, changes);
      return;
    }
    this.#claims.set(key, claim);
    changes.set(key, { before: changes.get(key)?.before, after: value });
  }

  /** Every element that should be there. */
  *elements(): Iterable<readonly [string, string]> {
    for (const [key, claims] of this.#claims) yield [key, winner(claims)?.value ?? ''];
  }

  get(key: string): string | undefined {
    return winner(this.#claims.get(key))?.value;
  }

  #set(key: string, owner: Owner, claim: Claim | undefined, changes: Map<string, Change>): void {
    const claims = this.#claims.get(key);
    const before = winner(claims)?.value;
    const others = listOf(claims).filter((each) => each.owner.key !== owner.key);
    const now = claim ? [...others, claim] : others;
    const [only] = now;
    if (only === undefined) this.#claims.delete(key);
    else this.#claims.set(key, now.length === 1 ? only : now);
    const after = winner(now)?.value;
    const first = changes.get(key);
    if (before !== after || first) changes.set(key, { before: first ? first.before : before, after });
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
  return claims.reduce<Claim | undefined>(
    (a, b) => (a === undefined || b.owner.precedence < a.owner.precedence ? b : a),
    undefined,
  );
}
