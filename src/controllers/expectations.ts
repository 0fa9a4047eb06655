import type { Key } from '../client/informer.ts';

/** What the informer has not shown yet of what was done, and since when. */
interface Expected {
  creations: number;
  readonly deletions: Set<string>;
  /** By a clock that nobody sets. */
  readonly since: number;
}

/** A watch that has shown nothing for so long missed it; the copy is then trusted again (as kube-controller-manager). */
const TIMEOUT_MS = 5 * 60_000;

/**
 * Creations and deletions that a controller asked for and its informer has yet to show. While some are missing, the
 * copy is older than the controller's own deeds, and acting on it would do them twice.
 */
export class Expectations {
  readonly #expected = new Map<Key, Expected>();

  fulfilled(key: Key): boolean {
    const expected = this.#expected.get(key);
    if (!expected) return true;
    const seen = expected.creations <= 0 && expected.deletions.size === 0;
    if (!seen && performance.now() - expected.since < TIMEOUT_MS) return false;
    this.#expected.delete(key);
    return true;
  }

  expect(key: Key, creations: number, deletedUids: readonly string[]): void {
    this.#expected.set(key, { creations, deletions: new Set(deletedUids), since: performance.now() });
  }

  /** Also for a creation that failed. */
  created(key: Key, count = 1): void {
    const expected = this.#expected.get(key);
    if (expected) expected.creations -= count;
  }

  /** Also for a deletion that failed. */
  deleted(key: Key, uid: string): void {
    this.#expected.get(key)?.deletions.delete(uid);
  }

  forget(key: Key): void {
    this.#expected.delete(key);
  }
}
