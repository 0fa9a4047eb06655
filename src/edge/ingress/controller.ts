import {
  configMaps,
  endpointSlices,
  ingressClasses,
  ingresses,
  nodes as nodeResource,
  secrets,
  services,
} from '../../api/resource.ts';
import type { ConfigMap, EndpointSlice, Ingress, IngressClass, Node, Secret, Service } from '../../api/types.ts';
import { messageOf } from '../../base/errors.ts';
import type { Log } from '../../base/log.ts';
import type { Running } from '../../base/running.ts';
import { keyOf } from '../../client/cache.ts';
import type { Client } from '../../client/client.ts';
import { type Controller, runController } from '../../client/controller.ts';
import { createEventRecorder } from '../../client/events.ts';
import type { Informer, InformerFactory } from '../../client/informer.ts';
import { ownClassOf, parametersKey, parametersOf } from './classes.ts';
import { Haproxy, type HaproxyOptions } from './haproxy/proxy.ts';
import type { Note } from './ingress.ts';
import { Reports } from './reports.ts';
import { Routing } from './routing.ts';
import { readSettings } from './settings.ts';

export interface IngressControllerOptions extends Omit<HaproxyOptions, 'onDue'> {
  readonly client: Client;
  readonly informers: InformerFactory;
  readonly log: Log;
}

/** Changes come in groups; those of one moment are one change of the proxy. */
const gatherMs = 10;
const serviceIndex = 'ingress-service';
const serviceLabel = 'kubernetes.io/service-name';

/**
 * Serves all Ingresses of our classes by one proxy. Costs two informers until the first of them is there; then the
 * proxy starts, and it ends with the last.
 */
export async function startIngressController(options: IngressControllerOptions): Promise<Running> {
  const controller = new IngressController(options);
  await controller.start();
  return controller;
}

/** What is watched only while there is something to serve. */
interface Watched {
  readonly services: Informer<Service>;
  readonly slices: Informer<EndpointSlice>;
  readonly nodes: Informer<Node>;
  readonly secrets: Informer<Secret>;
  readonly configMaps: Informer<ConfigMap>;
}

class IngressController implements Running {
  readonly #options: IngressControllerOptions;
  readonly #ingresses: Informer<Ingress>;
  readonly #classes: Informer<IngressClass>;
  readonly #proxy: Haproxy;
  readonly #routing: Routing;
  readonly #reports: Reports;
  readonly #controller: Controller;
  /** Ingresses that must be read again. */
  readonly #changed = new Set<string>();
  #watched: Watched | undefined;

  constructor(options: IngressControllerOptions) {
    const { client, informers, log, addresses } = options;
    this.#options = options;
    this.#ingresses = informers.informer(ingresses);
    this.#classes = informers.informer(ingressClasses);
    this.#proxy = new Haproxy({ ...options, onDue: () => this.#schedule() });
    this.#routing = new Routing({
      service: (key) => this.#watched?.services.get(key),
      slices: (key) => this.#watched?.slices.byIndex(serviceIndex, key) ?? [],
      nodes: () => this.#watched?.nodes.list() ?? [],
      secret: (key) => this.#watched?.secrets.get(key),
    });
    const events = createEventRecorder(client, { component: 'ingress-controller' });
    this.#reports = new Reports({ client, log, events, addresses, ingresses: this.#ingresses });
    this.#controller = runController({
      name: 'ingress',
      log,
      informers: [this.#ingresses, this.#classes],
      workers: 1,
      maxRetryMs: 5000,
      sync: () => this.#sync(),
    });
  }

  async start(): Promise<void> {
    this.#ingresses.onChange((ingress, old) => this.#ingressChanged(keyOf(ingress ?? old ?? {})));
    this.#classes.onChange(() => this.#allChanged());
    await this.#options.informers.start();
    // A proxy from before may serve Ingresses that are gone.
    this.#schedule();
  }

  /** The proxy goes on: who starts next takes it over. */
  async stop(): Promise<void> {
    await this.#controller.stop();
    await this.#reports.stop();
    this.#proxy.detach();
  }

  #ingressChanged(key: string): void {
    this.#changed.add(key);
    this.#schedule();
  }

  #allChanged(): void {
    for (const ingress of this.#ingresses.list()) this.#changed.add(keyOf(ingress));
    this.#schedule();
  }

  #schedule(): void {
    const restMs = this.#proxy.restsUntil - performance.now();
    this.#controller.enqueueAfter('all', Math.max(gatherMs, restMs));
  }

  async #sync(): Promise<void> {
    if (!this.#watched && this.#ingresses.list().some((each) => this.#classOf(each))) await this.#watch();
    const changed = [...this.#changed];
    this.#changed.clear();
    for (const key of changed) this.#read(key);
    const { plans } = this.#routing;
    if (plans.size === 0) {
      await this.#proxy.stop();
      this.#reports.report(new Map());
      return;
    }
    const { plan, notes } = this.#routing.plan();
    try {
      await this.#proxy.apply(plan);
    } catch (error) {
      const failed: Note = { type: 'Warning', reason: 'ProxyFailed', message: messageOf(error) };
      this.#reports.tell(new Map([...plans.keys()].map((key) => [key, [failed]])));
      throw error;
    }
    this.#reports.report(notes);
  }

  /** Reads one Ingress anew into the routing, or takes it out. */
  #read(key: string): void {
    const ingress = this.#ingresses.get(key);
    const ingressClass = ingress && this.#classOf(ingress);
    if (!ingress || !ingressClass || ingress.metadata?.deletionTimestamp) {
      this.#routing.remove(key);
      return;
    }
    const parameters = parametersOf(ingressClass, (name) => this.#watched?.configMaps.get(name));
    const { settings, problems } = readSettings(ingress.metadata?.annotations ?? {}, parameters.values);
    const all = [...problems, ...(parameters.problem ? [parameters.problem] : [])];
    const notes = all.map((message): Note => ({ type: 'Warning', reason: 'InvalidSetting', message }));
    this.#routing.set(ingress, settings, notes);
  }

  #classOf(ingress: Ingress): IngressClass | undefined {
    return ownClassOf(ingress, this.#classes.list());
  }

  async #watch(): Promise<void> {
    const { informers } = this.#options;
    const watched: Watched = {
      services: informers.informer(services),
      slices: informers.informer(endpointSlices, { indexes: { [serviceIndex]: (slice) => [serviceOf(slice)] } }),
      nodes: informers.informer(nodeResource),
      // Helm keeps releases of up to a megabyte in Secrets.
      secrets: informers.informer(secrets, { fieldSelector: 'type!=helm.sh/release.v1' }),
      configMaps: informers.informer(configMaps),
    };
    const routing = this.#routing;
    const whenUsed = (isUsed: boolean) => isUsed && this.#schedule();
    watched.services.onChange((service, old) => whenUsed(routing.serviceChanged(keyOf(service ?? old ?? {}))));
    watched.slices.onChange((slice, old) => whenUsed(routing.serviceChanged(serviceOf(slice ?? old))));
    watched.nodes.onChange(() => whenUsed(routing.nodesChanged()));
    watched.secrets.onChange((secret, old) => whenUsed(routing.secretChanged(keyOf(secret ?? old ?? {}))));
    watched.configMaps.onChange((map, old) => this.#configMapChanged(keyOf(map ?? old ?? {})));
    await informers.start();
    this.#watched = watched;
    routing.nodesChanged();
  }

  #configMapChanged(key: string): void {
    if (this.#classes.list().some((each) => parametersKey(each) === key)) this.#allChanged();
  }
}

/** `namespace/name` of the Service that a slice is of. */
function serviceOf(slice: EndpointSlice | undefined): string {
  return `${slice?.metadata?.namespace}/${slice?.metadata?.labels?.[serviceLabel]}`;
}
