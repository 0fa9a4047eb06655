import type { Log } from '../base/log.ts';
import { deleteFlows, listAllFlows } from '../kernel/conntrack.ts';
import { flowsToCut } from './cut.ts';
import type { Family, PolicyPlan } from './plan.ts';

/** Reading a long connection table takes time: it is never more than a tenth of all time. */
const PAUSE_FACTOR = 10;

/**
 * Ends connections that a changed policy forbids, beside the other work. Their packets then count as new ones, and the
 * rules answer them.
 */
export class ConnectionCutter {
  readonly #families: readonly Family[];
  readonly #plan: () => PolicyPlan;
  readonly #log: Log;
  #work: Promise<void> | undefined;
  #wanted = false;
  #stopped = false;
  #timer: NodeJS.Timeout | undefined;
  #notBefore = 0;

  constructor(families: readonly Family[], plan: () => PolicyPlan, log: Log) {
    this.#families = families;
    this.#plan = plan;
    this.#log = log;
  }

  /** Something may be forbidden now that was not before. */
  want(): void {
    if (this.#stopped) return;
    this.#wanted = true;
    if (this.#work || this.#timer) return;
    this.#timer = setTimeout(
      () => {
        this.#timer = undefined;
        this.#work = this.#cut().finally(() => {
          this.#work = undefined;
          if (this.#wanted) this.want();
        });
      },
      Math.max(0, this.#notBefore - Date.now()),
    ).unref();
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    this.#wanted = false;
    clearTimeout(this.#timer);
    await this.#work;
  }

  async #cut(): Promise<void> {
    this.#wanted = false;
    const started = Date.now();
    try {
      const flows = await Promise.all(this.#families.map((family) => listAllFlows(family)));
      const forbidden = flowsToCut(flows.flat(), this.#plan());
      await deleteFlows(forbidden);
      if (forbidden.length > 0) this.#log.info('cut connections that policies forbid', { count: forbidden.length });
    } catch (error) {
      this.#log.warn('cannot cut connections that policies forbid', { error });
    }
    this.#notBefore = Date.now() + (Date.now() - started) * PAUSE_FACTOR;
  }
}
