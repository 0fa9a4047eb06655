import { setTimeout as delay } from 'node:timers/promises';
import { KnitError, messageOf } from './errors.ts';

export interface WaitOptions {
  /** What is waited for, as it ends the sentence "gave up waiting for …". */
  readonly what: string;
  readonly timeoutMs: number;
  /** Time between two looks, in ms. Default 20, and more of what takes long: a twentieth of the time since the first look. */
  readonly intervalMs?: number;
  readonly signal?: AbortSignal;
  /** What to do when it takes too long. */
  readonly hint?: string;
}

/**
 * Looks again and again until `look` returns something other than `undefined` or `false`, and returns that.
 * A `look` that throws counts as "not yet". After `timeoutMs` it throws a {@link KnitError} `TIMEOUT` that names the
 * last failure.
 */
export async function waitFor<T>(
  look: () => Promise<T> | T,
  options: WaitOptions,
): Promise<Exclude<T, undefined | false>> {
  const began = Date.now();
  const deadline = began + options.timeoutMs;
  let last: unknown;
  for (;;) {
    options.signal?.throwIfAborted();
    try {
      const found = await look();
      if (found !== undefined && found !== false) return found as Exclude<T, undefined | false>;
      last = undefined;
    } catch (error) {
      last = error;
    }
    if (Date.now() >= deadline) {
      const reason = last === undefined ? '' : `: ${messageOf(last)}`;
      const message = `gave up waiting for ${options.what} after ${options.timeoutMs} ms${reason}`;
      throw new KnitError('TIMEOUT', message, options.hint);
    }
    const growing = Math.min(Math.max(20, (Date.now() - began) / 20), 500);
    await delay(options.intervalMs ?? growing, undefined, { signal: options.signal });
  }
}
