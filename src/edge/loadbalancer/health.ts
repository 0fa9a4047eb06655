import { request } from 'node:http';
import type { Running } from '../../base/running.ts';
import type { HealthCheck } from './plan.ts';

/** How nodes are asked, as a cloud's load balancer does it. Times in ms. */
export interface HealthCheckSettings {
  readonly intervalMs: number;
  readonly timeoutMs: number;
  /** So many good answers in a row let a node in. */
  readonly healthyThreshold: number;
  /** So many bad ones, or none, take it out. */
  readonly unhealthyThreshold: number;
}

/**
 * `unhealthy`: a node that answers, and wants no new connections or has no proxy that runs; what it has may go on.
 * `silent`: its kernel does not answer either: the node is dead.
 */
export type Health = 'unknown' | 'healthy' | 'unhealthy' | 'silent';
type Outcome = Exclude<Health, 'unknown'>;

/** A first answer is waited for with more haste. */
const FIRST_INTERVAL_MS = 50;

/** Asks what it was told to ask, each by itself and again and again, and tells what changed. */
export class HealthChecks implements Running {
  readonly #settings: HealthCheckSettings;
  readonly #onChange: () => void;
  readonly #loops = new Map<string, CheckLoop>();

  constructor(settings: HealthCheckSettings, onChange: () => void) {
    this.#settings = settings;
    this.#onChange = onChange;
  }

  /** What is asked from now on. What was asked before goes on as it is. */
  set(checks: readonly HealthCheck[]): void {
    const wanted = new Map(checks.map((check) => [idOf(check), check]));
    for (const [id, loop] of this.#loops) {
      if (wanted.has(id)) continue;
      loop.stop();
      this.#loops.delete(id);
    }
    for (const [id, check] of wanted) {
      if (!this.#loops.has(id)) this.#loops.set(id, new CheckLoop(check, this.#settings, this.#onChange));
    }
  }

  of(check: HealthCheck): Health {
    return this.#loops.get(idOf(check))?.health ?? 'unknown';
  }

  /** Resolves when everything that is asked now has an answer, or has failed to give one. */
  async known(): Promise<void> {
    await Promise.all([...this.#loops.values()].map((loop) => loop.known));
  }

  async stop(): Promise<void> {
    this.set([]);
  }
}

function idOf({ address, port }: HealthCheck): string {
  return `${address}:${port}`;
}

class CheckLoop {
  readonly #check: HealthCheck;
  readonly #settings: HealthCheckSettings;
  readonly #onChange: () => void;
  readonly #abort = new AbortController();
  readonly #known = Promise.withResolvers<void>();
  #timer: NodeJS.Timeout | undefined;
  #outcomes: Outcome[] = [];
  health: Health = 'unknown';

  constructor(check: HealthCheck, settings: HealthCheckSettings, onChange: () => void) {
    this.#check = check;
    this.#settings = settings;
    this.#onChange = onChange;
    void this.#run();
  }

  get known(): Promise<void> {
    return this.#known.promise;
  }

  stop(): void {
    clearTimeout(this.#timer);
    this.#abort.abort();
    this.#known.resolve();
  }

  async #run(): Promise<void> {
    const began = performance.now();
    const outcome = await ask(this.#check, this.#settings.timeoutMs, this.#abort.signal);
    if (this.#abort.signal.aborted) return;
    const longest = Math.max(this.#settings.healthyThreshold, this.#settings.unhealthyThreshold);
    this.#outcomes = [...this.#outcomes, outcome].slice(-longest);
    const health = judge(this.#outcomes, this.#settings, this.health);
    const interval = health === 'unknown' ? FIRST_INTERVAL_MS : this.#settings.intervalMs;
    this.#timer = setTimeout(() => void this.#run(), Math.max(0, began + interval - performance.now())).unref();
    if (health === this.health) return;
    this.health = health;
    this.#known.resolve();
    this.#onChange();
  }
}

/** What the last outcomes, the newest at the end, make of what was thought before. Exported for its test. */
export function judge(outcomes: readonly Outcome[], settings: HealthCheckSettings, before: Health): Health {
  const { healthyThreshold, unhealthyThreshold } = settings;
  const last = (count: number) => (outcomes.length < count ? undefined : outcomes.slice(-count));
  if (last(healthyThreshold)?.every((outcome) => outcome === 'healthy')) return 'healthy';
  const bad = last(unhealthyThreshold);
  if (bad?.every((outcome) => outcome === 'silent')) return 'silent';
  if (!bad?.every((outcome) => outcome !== 'healthy')) return before;
  return before === 'silent' && outcomes.at(-1) === 'silent' ? 'silent' : 'unhealthy';
}

/** One request on a connection of its own: that it is accepted shows that the node's kernel lives. */
function ask({ address, port }: HealthCheck, timeoutMs: number, signal: AbortSignal): Promise<Outcome> {
  return new Promise((resolve) => {
    let connected = false;
    const sent = request({ host: address, port, path: '/healthz', agent: false, signal }, (response) => {
      response.resume();
      settle(response.statusCode === 200 ? 'healthy' : 'unhealthy');
    });
    // Where this process was kept from running for so long, the answer is here already: it is looked at first.
    const timer = setTimeout(() => setImmediate(() => settle(connected ? 'unhealthy' : 'silent')), timeoutMs).unref();
    const settle = (outcome: Outcome) => {
      clearTimeout(timer);
      resolve(outcome);
      if (outcome !== 'healthy') sent.destroy();
    };
    sent.once('socket', (socket) => socket.once('connect', () => (connected = true)));
    sent.once('error', (error: NodeJS.ErrnoException) =>
      settle(connected || error.code === 'ECONNREFUSED' ? 'unhealthy' : 'silent'),
    );
    sent.end();
  });
}
