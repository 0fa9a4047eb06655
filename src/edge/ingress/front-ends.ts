import type { Log } from '../../base/log.ts';
import type { Running } from '../../base/running.ts';
import { type Controller, runController } from '../../client/controller.ts';
import type { Informer } from '../../client/informer.ts';
import { Haproxy, type HaproxyOptions } from './haproxy/proxy.ts';
import { mergePlans, type RoutingPlan } from './plan.ts';

/** A kind of objects that the proxy serves: Ingresses, Gateways. */
export interface FrontEnd extends Running {
  /** Nothing is planned before these are synced. */
  readonly informers: readonly Pick<Informer<never>, 'synced'>[];
  /** Brings its plan up to date. Undefined: nobody needs the proxy for it. */
  plan(): Promise<RoutingPlan | undefined>;
  /** The proxy holds what was planned last, or it does not for this reason. */
  applied(error?: unknown): void;
}

/** Changes come in groups; those of one moment are one change of the proxy. */
const gatherMs = 10;

/** Brings one proxy to the plans of all front ends. It starts with the first plan, and ends with the last. */
export class SharedProxy implements Running {
  readonly #proxy: Haproxy;
  readonly #frontEnds: FrontEnd[] = [];
  readonly #log: Log;
  #controller: Controller | undefined;

  constructor(options: Omit<HaproxyOptions, 'onDue'>) {
    this.#proxy = new Haproxy({ ...options, onDue: () => this.changed() });
    this.#log = options.log;
  }

  /** Adds front ends, whose informers are made by now; a proxy from before may serve what is gone. */
  start(...frontEnds: readonly FrontEnd[]): void {
    this.#frontEnds.push(...frontEnds);
    this.#controller = runController({
      name: 'proxy',
      log: this.#log,
      informers: frontEnds.flatMap(({ informers }) => informers),
      workers: 1,
      maxRetryMs: 5000,
      sync: () => this.#sync(),
    });
    this.changed();
  }

  /** A front end has something to plan. */
  changed(): void {
    const restMs = this.#proxy.restsUntil - performance.now();
    this.#controller?.enqueueAfter('all', Math.max(gatherMs, restMs));
  }

  /** The proxy goes on: who starts next takes it over. */
  async stop(): Promise<void> {
    await this.#controller?.stop();
    await Promise.all(this.#frontEnds.map((each) => each.stop()));
    this.#proxy.detach();
  }

  async #sync(): Promise<void> {
    const plans: RoutingPlan[] = [];
    for (const each of this.#frontEnds) {
      const plan = await each.plan();
      if (plan) plans.push(plan);
    }
    try {
      if (plans.length === 0) await this.#proxy.stop();
      else await this.#proxy.apply(mergePlans(plans));
    } catch (error) {
      for (const each of this.#frontEnds) each.applied(error);
      throw error;
    }
    for (const each of this.#frontEnds) each.applied();
  }
}
