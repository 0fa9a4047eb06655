import { messageOf } from '../base/errors.ts';
import type { Log } from '../base/log.ts';

export interface UpkeepOptions {
  readonly log: Log;
  /** What is kept, for messages: `Services`. */
  readonly what: string;
  /** Time between the first commit of somebody else and the comparison: whoever flushes a table mostly has more to do. */
  readonly auditDelayMs: number;
  /** Writes all that changed since the last time. */
  sync(): Promise<void>;
  /** Compares the kernel with what was written and mends it. Says what was wrong, `undefined` where nothing was. */
  audit(): Promise<string | undefined>;
}

/** However often others commit, comparing takes at most a tenth of the time. */
const AUDIT_PAUSE_FACTOR = 10;
const RETRY_MS = 1000;

/**
 * Keeps a part of the kernel right: one `sync` at a time, and changes that come meanwhile go into the next one; after a
 * failure, and after commits of others, an `audit`.
 */
export class Upkeep {
  readonly #options: UpkeepOptions;
  #begun = false;
  #stopped = false;
  #work: Promise<void> | undefined;
  #again = false;
  #auditWanted = false;
  #auditTimer: NodeJS.Timeout | undefined;
  #auditNotBefore = 0;
  #retryTimer: NodeJS.Timeout | undefined;

  constructor(options: UpkeepOptions) {
    this.#options = options;
  }

  /** Nothing is written before. */
  begin(): void {
    this.#begun = true;
    this.wake();
  }

  wake(): void {
    if (!this.#begun || this.#stopped) return;
    if (this.#work) {
      this.#again = true;
      return;
    }
    this.#again = false;
    this.#work = new Promise<void>((resolve) => setImmediate(resolve))
      .then(() => this.#turn())
      .then(
        () => {
          this.#work = undefined;
          if (this.#again) this.wake();
        },
        (error: unknown) => this.#failed(error),
      );
  }

  /** At most one is waiting, and none comes sooner after the last than its cost allows. */
  wantAudit(): void {
    if (this.#stopped || this.#auditTimer) return;
    const delay = Math.max(this.#options.auditDelayMs, this.#auditNotBefore - Date.now());
    this.#auditTimer = setTimeout(() => {
      this.#auditTimer = undefined;
      this.#auditWanted = true;
      this.wake();
    }, delay).unref();
  }

  /** Resolves when nothing is under way any more. */
  async stop(): Promise<void> {
    this.#stopped = true;
    clearTimeout(this.#auditTimer);
    clearTimeout(this.#retryTimer);
    await this.#work;
  }

  /** Nothing is being written. */
  get idle(): boolean {
    return this.#work === undefined;
  }

  get stopped(): boolean {
    return this.#stopped;
  }

  async #turn(): Promise<void> {
    if (this.#stopped) return;
    await this.#options.sync();
    if (!this.#auditWanted || this.#stopped) return;
    this.#auditWanted = false;
    const started = Date.now();
    const wrong = await this.#options.audit();
    const { log, what } = this.#options;
    if (wrong) log.warn(`somebody else changed the rules of ${what}, brought them back`, { wrong });
    this.#auditNotBefore = Date.now() + (Date.now() - started) * AUDIT_PAUSE_FACTOR;
  }

  #failed(error: unknown): void {
    this.#work = undefined;
    if (this.#stopped) return;
    const { log, what } = this.#options;
    log.error(`cannot write ${what} into the kernel, trying again`, { error: messageOf(error) });
    this.#auditWanted = true;
    this.#retryTimer = setTimeout(() => this.wake(), RETRY_MS).unref();
  }
}
