/** Work that is asked for more often than it has to be done: what comes while it waits for its turn is done in one. */
export class Coalesced {
  readonly #work: () => Promise<void>;
  #done: Promise<void> = Promise.resolve();
  #waits = false;

  /** @param work Never runs twice at once, and must not reject. */
  constructor(work: () => Promise<void>) {
    this.#work = work;
  }

  wake(): void {
    if (this.#waits) return;
    this.#waits = true;
    this.#done = this.#done.then(() => {
      this.#waits = false;
      return this.#work();
    });
  }

  /** Resolves when all that was asked for until now is done. */
  idle(): Promise<void> {
    return this.#done;
  }
}
