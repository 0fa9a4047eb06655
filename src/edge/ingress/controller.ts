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
import { keyOf } from '../../client/cache.ts';
import type { Client } from '../../client/client.ts';
import { createEventRecorder } from '../../client/events.ts';
import type { Informer, InformerFactory } from '../../client/informer.ts';
import { ownClassOf, parametersKey, parametersOf } from './classes.ts';
import type { FrontEnd } from './front-ends.ts';
import type { Note } from './ingress.ts';
import type { RoutingPlan } from './plan.ts';
import { Reports } from './reports.ts';
import { Routing } from './routing.ts';
import { readSettings } from './settings.ts';

export interface IngressControllerOptions {
  readonly client: Client;
  readonly informers: InformerFactory;
  readonly log: Log;
  /** Where Ingresses are reached. */
  readonly addresses: readonly string[];
  /** There is something to plan. */
  changed(): void;
}

export const serviceIndex = 'ingress-service';
const serviceLabel = 'kubernetes.io/service-name';

/** What is watched only while there is something to serve. */
interface Watched {
  readonly services: Informer<Service>;
  readonly slices: Informer<EndpointSlice>;
  readonly nodes: Informer<Node>;
  readonly secrets: Informer<Secret>;
  readonly configMaps: Informer<ConfigMap>;
}

/** All Ingresses of our classes. Costs two informers until the first of them is there. */
export class IngressController implements FrontEnd {
  readonly #options: IngressControllerOptions;
  readonly #ingresses: Informer<Ingress>;
  readonly #classes: Informer<IngressClass>;
  readonly #routing: Routing;
  readonly #reports: Reports;
  /** Ingresses that must be read again. */
  readonly #changed = new Set<string>();
  #watched: Watched | undefined;
  #notes: ReadonlyMap<string, readonly Note[]> = new Map();

  constructor(options: IngressControllerOptions) {
    const { client, informers, log, addresses } = options;
    this.#options = options;
    this.#ingresses = informers.informer(ingresses);
    this.#classes = informers.informer(ingressClasses);
    this.#routing = new Routing({
      service: (key) => this.#watched?.services.get(key),
      slices: (key) => this.#watched?.slices.byIndex(serviceIndex, key) ?? [],
      nodes: () => this.#watched?.nodes.list() ?? [],
      secret: (key) => this.#watched?.secrets.get(key),
    });
    const events = createEventRecorder(client, { component: 'ingress-controller' });
    this.#reports = new Reports({ client, log, events, addresses, ingresses: this.#ingresses });
    this.#ingresses.onChange((ingress, old) => this.#ingressChanged(keyOf(ingress ?? old ?? {})));
    this.#classes.onChange(() => this.#allChanged());
  }

  get informers() {
    return [this.#ingresses, this.#classes];
  }

  async stop(): Promise<void> {
    await this.#reports.stop();
  }

  async plan(): Promise<RoutingPlan | undefined> {
    if (!this.#watched && this.#ingresses.list().some((each) => this.#classOf(each))) await this.#watch();
    const changed = [...this.#changed];
    this.#changed.clear();
    for (const key of changed) this.#read(key);
    const { plan, notes } = this.#routing.plan();
    this.#notes = notes;
    return notes.size > 0 ? plan : undefined;
  }

  applied(error?: unknown): void {
    if (error === undefined) {
      this.#reports.report(this.#notes);
    } else {
      const failed: Note = { type: 'Warning', reason: 'ProxyFailed', message: messageOf(error) };
      this.#reports.tell(new Map([...this.#notes.keys()].map((key) => [key, [failed]])));
    }
  }

  #ingressChanged(key: string): void {
    this.#changed.add(key);
    this.#options.changed();
  }

  #allChanged(): void {
    for (const ingress of this.#ingresses.list()) this.#changed.add(keyOf(ingress));
    this.#options.changed();
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
    const whenUsed = (isUsed: boolean) => isUsed && this.#options.changed();
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
export function serviceOf(slice: EndpointSlice | undefined): string {
  return `${slice?.metadata?.namespace}/${slice?.metadata?.labels?.[serviceLabel]}`;
}
