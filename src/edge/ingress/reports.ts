import { ingresses } from '../../api/resource.ts';
import type { Ingress } from '../../api/types.ts';
import type { Log } from '../../base/log.ts';
import { keyOf, splitKey } from '../../client/cache.ts';
import type { Client } from '../../client/client.ts';
import { type Controller, runController } from '../../client/controller.ts';
import type { EventRecorder } from '../../client/events.ts';
import type { Informer } from '../../client/informer.ts';
import type { Note } from './ingress.ts';

export interface ReportsOptions {
  readonly client: Client;
  readonly log: Log;
  readonly events: EventRecorder;
  /** Where Ingresses are reached. */
  readonly addresses: readonly string[];
  readonly ingresses: Informer<Ingress>;
}

/** What owners of Ingresses are told: an address in the status, and events of what is new. */
export class Reports {
  readonly #options: ReportsOptions;
  readonly #controller: Controller;
  readonly #told = new Map<string, Set<string>>();
  /** Those that are served. */
  #served: ReadonlySet<string> = new Set();

  constructor(options: ReportsOptions) {
    this.#options = options;
    this.#controller = runController({ name: 'ingress-status', log: options.log, sync: (key) => this.#sync(key) });
  }

  /** Says what was brought to the proxy: of each Ingress that is served, what its owner should know. */
  report(notes: ReadonlyMap<string, readonly Note[]>): void {
    this.#served = new Set(notes.keys());
    this.tell(notes);
    for (const ingress of this.#options.ingresses.list()) {
      if (!this.#isRight(ingress)) this.#controller.enqueue(keyOf(ingress));
    }
    for (const key of this.#told.keys()) if (!notes.has(key)) this.#told.delete(key);
  }

  /** Sends an event of what was not said before. */
  tell(notes: ReadonlyMap<string, readonly Note[]>): void {
    for (const [key, list] of notes) {
      const ingress = this.#options.ingresses.get(key);
      const before = this.#told.get(key);
      this.#told.set(key, new Set(list.map(({ message }) => message)));
      for (const { type, reason, message } of ingress ? list : []) {
        if (ingress && !before?.has(message)) this.#options.events.event(ingress, type, reason, message);
      }
    }
  }

  async stop(): Promise<void> {
    await this.#controller.stop();
  }

  #isRight(ingress: Ingress): boolean {
    const present = ingress.status?.loadBalancer?.ingress?.map(({ ip }) => ip) ?? [];
    const { addresses } = this.#options;
    if (this.#served.has(keyOf(ingress))) return present.join() === addresses.join();
    return !present.some((ip) => addresses.includes(ip ?? ''));
  }

  async #sync(key: string): Promise<void> {
    const ingress = this.#options.ingresses.get(key);
    if (!ingress || this.#isRight(ingress)) return;
    const list = this.#served.has(key) ? this.#options.addresses.map((ip) => ({ ip })) : null;
    await this.#options.client.patch(
      ingresses,
      splitKey(key) as { namespace: string; name: string },
      'merge',
      { status: { loadBalancer: { ingress: list } } },
      'status',
    );
  }
}
