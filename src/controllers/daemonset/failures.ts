const FIRST_MS = 1_000;
const MAX_MS = 15 * 60_000;

/**
 * How long a daemon's failed pod stands on its node before another one takes its place: a node that refuses each of them
 * is not to be asked without a pause. 1 s, doubling up to 15 minutes, and from the start again after twice that without a
 * failure (kube-controller-manager's `failedPodsBackoff`).
 */
export class Failures {
  readonly #last = new Map<string, { readonly at: number; readonly delayMs: number }>();

  /** ms until the failed pod may go; 0 where it may now, and then the next one will wait for longer. */
  wait(key: string, now = performance.now()): number {
    const last = this.#last.get(key);
    const isOld = last !== undefined && now - last.at > 2 * MAX_MS;
    const left = last === undefined || isOld ? 0 : Math.max(0, last.at + last.delayMs - now);
    if (left > 0) return left;
    const delayMs = last === undefined || isOld ? FIRST_MS : Math.min(MAX_MS, 2 * last.delayMs);
    this.#last.set(key, { at: now, delayMs });
    return 0;
  }

  forget(prefix: string): void {
    for (const key of this.#last.keys()) if (key.startsWith(prefix)) this.#last.delete(key);
  }
}
