import { Backoff } from './backoff.ts';
import type { Key } from './informer.ts';

/** What a timer of Node can hold. */
const MAX_TIMER_MS = 2 ** 31 - 1;

export interface QueueOptions {
  /** First delay after a failure of a key; it doubles with each. Default 5 ms, as client-go. */
  readonly firstRetryMs?: number;
  /** Default 60 s: a person who mended what was wrong should not wait for client-go's 1000 s. */
  readonly maxRetryMs?: number;
}

/**
 * Keys that wait for work. A key that is added twice is worked on once; one that is added while it is worked on comes
 * again afterwards, so that no key is ever worked on twice at once.
 */
export class WorkQueue {
  readonly #options: Required<QueueOptions>;
  /** Waiting keys in their order, with the time they were added. */
  readonly #waiting = new Map<Key, number>();
  /** Keys that are worked on, with how long each had waited. */
  readonly #active = new Map<Key, number>();
  /** Active keys that were added again. */
  readonly #again = new Map<Key, number>();
  readonly #delayed = new Map<Key, { readonly at: number; readonly timer: NodeJS.Timeout }>();
  readonly #backoffs = new Map<Key, Backoff>();
  readonly #takers: ((key: Key | undefined) => void)[] = [];
  #closed = false;
  /** Keys that were ever added; one that waits already is not counted again. */
  adds = 0;

  constructor(options: QueueOptions = {}) {
    this.#options = { firstRetryMs: options.firstRetryMs ?? 5, maxRetryMs: options.maxRetryMs ?? 60_000 };
  }

  /** Keys that wait, those whose time has not come not counted. */
  get depth(): number {
    return this.#waiting.size + this.#again.size;
  }

  add(key: Key): void {
    if (this.#closed) return;
    const pending = this.#active.has(key) ? this.#again : this.#waiting;
    if (pending.has(key)) return;
    this.adds++;
    pending.set(key, performance.now());
    this.#serve();
  }

  /** Adds the key in `ms`, unless it is to be added sooner anyway. */
  addAfter(key: Key, ms: number): void {
    if (ms <= 0) this.add(key);
    if (ms <= 0 || this.#closed) return;
    const at = performance.now() + ms;
    const planned = this.#delayed.get(key);
    if (planned && planned.at <= at) return;
    clearTimeout(planned?.timer);
    const timer = setTimeout(
      () => {
        this.#delayed.delete(key);
        this.add(key);
      },
      Math.min(ms, MAX_TIMER_MS),
    );
    timer.unref();
    this.#delayed.set(key, { at, timer });
  }

  /** Adds the key after a delay that grows with each failure, and returns the delay. */
  addFailed(key: Key): number {
    let backoff = this.#backoffs.get(key);
    if (!backoff) {
      backoff = new Backoff({ firstMs: this.#options.firstRetryMs, maxMs: this.#options.maxRetryMs });
      this.#backoffs.set(key, backoff);
    }
    const ms = backoff.next();
    this.addAfter(key, ms);
    return ms;
  }

  failures(key: Key): number {
    return this.#backoffs.get(key)?.failures ?? 0;
  }

  /** Forgets the failures of a key. */
  forget(key: Key): void {
    this.#backoffs.delete(key);
  }

  /** The next key, or undefined once the queue is closed. `done` must follow. */
  take(): Promise<Key | undefined> {
    return new Promise((resolve) => {
      this.#takers.push(resolve);
      this.#serve();
    });
  }

  /** How long a key that is worked on had waited, in ms. */
  waited(key: Key): number {
    return this.#active.get(key) ?? 0;
  }

  done(key: Key): void {
    this.#active.delete(key);
    const again = this.#again.get(key);
    if (again === undefined) return;
    this.#again.delete(key);
    this.#waiting.set(key, again);
    this.#serve();
  }

  close(): void {
    this.#closed = true;
    for (const { timer } of this.#delayed.values()) clearTimeout(timer);
    this.#delayed.clear();
    this.#waiting.clear();
    this.#again.clear();
    this.#serve();
  }

  #serve(): void {
    while (this.#takers.length > 0) {
      if (this.#closed) {
        this.#takers.shift()?.(undefined);
        continue;
      }
      const first = this.#waiting.entries().next();
      if (first.done) return;
      const [key, since] = first.value;
      this.#waiting.delete(key);
      this.#active.set(key, performance.now() - since);
      this.#takers.shift()?.(key);
    }
  }
}
