const INITIAL_MS = 10_000;
const MAX_MS = 300_000;
/** Two clocks of one machine, read one after the other, differ by less. */
const CLOCK_ERROR_MS = 1_000;

/**
 * How long to leave something alone that failed again: 10 s, doubling up to 5 minutes, and from the start again after
 * 10 minutes without a failure. The kubelet's rule for containers and for images.
 */
export interface Backoff {
  /** Milliseconds that are still to wait after a failure at `since`; 0 when it may be tried now. */
  remaining(key: string, since: number, now: number): number;
  /** The whole delay that a key is under, in ms. */
  delay(key: string): number;
  /** Notes that it is tried again at `now` after a failure at `since`; the next delay is twice as long. */
  next(key: string, since: number, now: number): void;
  forget(prefix: string): void;
}

export function createBackoff(initialMs = INITIAL_MS, maxMs = MAX_MS): Backoff {
  const entries = new Map<string, { delayMs: number; updated: number }>();
  const current = (key: string, since: number) => {
    const entry = entries.get(key);
    if (entry && since - entry.updated > 2 * maxMs) entries.delete(key);
    return entries.get(key);
  };
  return {
    remaining(key, since, now) {
      const entry = current(key, since);
      // A failure that is still to come happened before the clock was set back: nobody knows how long ago.
      if (!entry || since - now > CLOCK_ERROR_MS) return 0;
      return Math.max(0, since + entry.delayMs - now);
    },
    delay: (key) => entries.get(key)?.delayMs ?? 0,
    next(key, since, now) {
      const entry = current(key, since);
      const delayMs = entry ? Math.min(maxMs, entry.delayMs * 2) : initialMs;
      entries.set(key, { delayMs, updated: now });
    },
    forget(prefix) {
      for (const key of entries.keys()) if (key.startsWith(prefix)) entries.delete(key);
    },
  };
}
