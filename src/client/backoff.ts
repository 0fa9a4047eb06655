import { setTimeout as delay } from 'node:timers/promises';

export interface BackoffOptions {
  readonly firstMs: number;
  readonly maxMs: number;
}

/** Delays that double from `firstMs` to `maxMs`, each longer by up to a fifth so that many do not retry as one. */
export class Backoff {
  readonly #options: BackoffOptions;
  #failures = 0;

  constructor(options: BackoffOptions) {
    this.#options = options;
  }

  get failures(): number {
    return this.#failures;
  }

  next(): number {
    const { firstMs, maxMs } = this.#options;
    const ms = Math.min(maxMs, firstMs * 2 ** this.#failures);
    this.#failures++;
    return ms * (1 + Math.random() / 5);
  }

  reset(): void {
    this.#failures = 0;
  }
}

/** Resolves after `ms` or when `signal` fires, and keeps no process alive. */
export async function pause(ms: number, signal: AbortSignal): Promise<void> {
  if (signal.aborted) return;
  await delay(ms, undefined, { signal, ref: false }).catch((error: unknown) => {
    if (!signal.aborted) throw error;
  });
}
