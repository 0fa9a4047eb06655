import type { Elements } from './elements.ts';

interface Claim {
  readonly owner: string;
  /** The smaller one wins. */
  readonly precedence: string;
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
  readonly #claims = new Map<string, readonly Claim[]>();

  /** Replaces the owner's elements; notes in `changes` what that does, by element. */
  replace(owner: string, precedence: string, before: Elements, after: Elements, changes: Map<string, Change>): void {
    for (const key of before.keys()) if (!after.has(key)) this.#set(key, owner, undefined, changes);
    for (const [key, value] of after) {
      if (before.get(key) !== value) this.#set(key, owner, { owner, precedence, value }, changes);
    }
  }

  /** Every element that should be there. */
  *elements(): Iterable<readonly [string, string]> {
    for (const [key, claims] of this.#claims) yield [key, winner(claims)?.value ?? ''];
  }

  get(key: string): string | undefined {
    return winner(this.#claims.get(key))?.value;
  }

  #set(key: string, owner: string, claim: Claim | undefined, changes: Map<string, Change>): void {
    const claims = this.#claims.get(key) ?? [];
    const before = winner(claims)?.value;
    const others = claims.length === 0 ? claims : claims.filter((c) => c.owner !== owner);
    const now = claim ? [...others, claim] : others;
    if (now.length === 0) this.#claims.delete(key);
    else this.#claims.set(key, now);
    const after = winner(now)?.value;
    const first = changes.get(key);
    if (before !== after || first) changes.set(key, { before: first ? first.before : before, after });
  }
}

function winner(claims: readonly Claim[] | undefined): Claim | undefined {
  if (!claims || claims.length < 2) return claims?.[0];
  return claims.reduce((a, b) => (b.precedence < a.precedence ? b : a));
}
