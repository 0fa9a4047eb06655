import { KnitError } from '../base/errors.ts';
import { Backoff, pause } from './backoff.ts';
import { ApiError, type Client } from './client.ts';

/** So long after it went away a server is looked for at the fastest pace: it is probably just starting. */
const EAGER_MS = 15_000;
const EAGER_INTERVAL_MS = 40;

export const isUnreachable = (error: unknown): boolean =>
  error instanceof KnitError && error.code === 'API_UNREACHABLE';

/**
 * Waits until the API server answers anything at all. However many informers wait, one request at a time asks; a
 * server that comes up is seen within 50 ms, or within 5 s where it was away for long.
 */
export function createReachability(client: Client, signal: AbortSignal): () => Promise<void> {
  let waiting: Promise<void> | undefined;

  const look = async (): Promise<void> => {
    const since = Date.now();
    const backoff = new Backoff({ firstMs: 100, maxMs: 5_000 });
    while (!signal.aborted) {
      try {
        await client.raw('GET', '/version');
        return;
      } catch (error) {
        if (error instanceof ApiError) return;
      }
      await pause(Date.now() - since < EAGER_MS ? EAGER_INTERVAL_MS : backoff.next(), signal);
    }
  };

  return () => {
    waiting ??= look().finally(() => {
      waiting = undefined;
    });
    return waiting;
  };
}
