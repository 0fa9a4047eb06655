import { StatusError } from '../errors.ts';
import type { Flow, Level } from './classifier.ts';

/** Requests of a flow that begin in one turn of the event loop. */
const BURST = 32;

/** How long a request waits at most, as in Kubernetes. */
const WAIT_MS = 15_000;

interface FlowState {
  level: Level;
  /** Requests that began in this turn. */
  begun: number;
  readonly waiting: (() => void)[];
}

/**
 * Lets requests begin so that no flow starves the others: in each turn of the event loop every flow begins a few, and
 * a priority level has no more under way than it has seats. What finds no place waits, or is refused with 429.
 */
export class FairQueue {
  /** Flows of this turn and those that wait; who began last is last. */
  readonly #flows = new Map<string, FlowState>();
  /** Requests under way by priority level. */
  readonly #taken = new Map<string, number>();
  #turn: NodeJS.Immediate | undefined;

  /**
   * What `work` gives, at once where it need not wait and its work is done at once.
   *
   * @throws StatusError 429, at once or later, where as many of the flow wait as may
   */
  run<T>(flow: Flow, work: () => Promise<T>): Promise<T>;
  run<T>(flow: Flow, work: () => Promise<T> | T): Promise<T> | T;
  run<T>(flow: Flow, work: () => Promise<T> | T): Promise<T> | T {
    const state = this.#stateOf(flow);
    if (state.waiting.length > 0 || !this.#mayBegin(state)) return this.#runLater(state, flow, work);
    this.#begin(state);
    let result: Promise<T> | T | undefined;
    try {
      result = work();
    } finally {
      if (!(result instanceof Promise)) this.#giveBack(flow);
    }
    return result instanceof Promise ? this.#whenDone(flow, result) : result;
  }

  async #runLater<T>(state: FlowState, flow: Flow, work: () => Promise<T> | T): Promise<T> {
    if (state.waiting.length >= state.level.waiting) throw tooManyRequests();
    await this.#wait(state);
    return this.#whenDone(flow, work);
  }

  async #whenDone<T>(flow: Flow, work: Promise<T> | (() => Promise<T> | T)): Promise<T> {
    try {
      return await (typeof work === 'function' ? work() : work);
    } finally {
      this.#giveBack(flow);
    }
  }

  #giveBack({ level }: Flow): void {
    this.#taken.set(level.name, this.#takenOf(level) - 1);
    if (this.#flows.size > 0) this.#nextTurn();
  }

  #wait({ waiting }: FlowState): Promise<void> {
    this.#nextTurn();
    return new Promise((resolve, reject) => {
      const begin = () => {
        clearTimeout(timer);
        resolve();
      };
      const timer = setTimeout(() => {
        waiting.splice(waiting.indexOf(begin), 1);
        reject(tooManyRequests());
      }, WAIT_MS);
      waiting.push(begin);
    });
  }

  #stateOf({ name, level }: Flow): FlowState {
    let state = this.#flows.get(name);
    if (!state) {
      state = { level, begun: 0, waiting: [] };
      this.#flows.set(name, state);
      this.#nextTurn();
    }
    state.level = level;
    return state;
  }

  #takenOf({ name }: Level): number {
    return this.#taken.get(name) ?? 0;
  }

  #mayBegin({ level, begun }: FlowState): boolean {
    return begun < BURST && this.#takenOf(level) < level.seats;
  }

  #begin(state: FlowState): void {
    state.begun++;
    this.#taken.set(state.level.name, this.#takenOf(state.level) + 1);
  }

  #nextTurn(): void {
    this.#turn ??= setImmediate(() => {
      this.#turn = undefined;
      this.#beginTurn();
    });
  }

  /** Those who wait begin one after the other, flow by flow. */
  #beginTurn(): void {
    for (const [name, state] of this.#flows) {
      state.begun = 0;
      if (state.waiting.length === 0) this.#flows.delete(name);
    }
    let progress = true;
    while (progress) {
      progress = false;
      for (const [name, state] of [...this.#flows]) {
        if (state.waiting.length === 0 || !this.#mayBegin(state)) continue;
        this.#begin(state);
        state.waiting.shift()?.();
        this.#flows.delete(name);
        this.#flows.set(name, state);
        progress = true;
      }
    }
    // Who waits for a seat goes on when one is given back; who used up a turn goes on in the next.
    if ([...this.#flows.values()].some(({ begun }) => begun >= BURST)) this.#nextTurn();
  }
}

function tooManyRequests(): StatusError {
  return new StatusError(
    429,
    'TooManyRequests',
    'too many requests, please try again later',
    { retryAfterSeconds: 1 },
    { 'retry-after': '1' },
  );
}
