import {
  configMaps,
  customResourceDefinitions,
  endpointSlices,
  namespaces as namespaceResource,
  nodes as nodeResource,
  type Resource,
  secrets,
  services,
} from '../../api/resource.ts';
import type {
  ConfigMap,
  CustomResourceDefinition,
  EndpointSlice,
  KubeObject,
  Namespace,
  Node,
  Secret,
  Service,
} from '../../api/types.ts';
import { messageOf } from '../../base/errors.ts';
import type { Log } from '../../base/log.ts';
import { keyOf } from '../../client/cache.ts';
import { type Client, isAlreadyExists } from '../../client/client.ts';
import type { Informer, InformerFactory } from '../../client/informer.ts';
import { serviceIndex, serviceOf } from '../ingress/controller.ts';
import type { FrontEnd } from '../ingress/front-ends.ts';
import type { RoutingPlan } from '../ingress/plan.ts';
import { PlannedBackends } from '../ingress/planned-backends.ts';
import { AddressServices } from './address-services.ts';
import { controllerName, knitClass } from './classes.ts';
import {
  type BackendTLSPolicy,
  backendTLSPolicies,
  type Gateway,
  type GatewayClass,
  type GRPCRoute,
  gatewayClasses,
  gatewayGroup,
  gateways,
  grpcRoutes,
  type HTTPRoute,
  httpRoutes,
  type ListenerSet,
  listenerSets,
  type ReferenceGrant,
  referenceGrants,
  type TLSRoute,
  tlsRoutes,
} from './objects.ts';
import { type GatewaysPlan, planGateways } from './plan.ts';
import { knownKinds } from './reading.ts';
import { Reports } from './reports.ts';
import { routingOf } from './routing.ts';

export interface GatewayControllerOptions {
  readonly client: Client;
  readonly informers: InformerFactory;
  readonly log: Log;
  /** There is something to plan. */
  changed(): void;
}

/** Watched from the moment when the API server knows the kinds. */
interface Kinds {
  readonly classes: Informer<GatewayClass>;
  readonly gateways: Informer<Gateway>;
}

/** Watched from the first Gateway of our classes on. */
interface Watched {
  readonly httpRoutes: Informer<HTTPRoute>;
  readonly grpcRoutes: Informer<GRPCRoute>;
  /** Not there in releases of the Gateway API before 1.5. */
  readonly tlsRoutes: Informer<TLSRoute> | undefined;
  readonly listenerSets: Informer<ListenerSet> | undefined;
  readonly tlsPolicies: Informer<BackendTLSPolicy> | undefined;
  readonly configMaps: Informer<ConfigMap> | undefined;
  readonly grants: Informer<ReferenceGrant>;
  readonly namespaces: Informer<Namespace>;
  readonly services: Informer<Service>;
  readonly slices: Informer<EndpointSlice>;
  readonly nodes: Informer<Node>;
  readonly secrets: Informer<Secret>;
}

/** Definitions come one after the other: so often it is asked whether all are there. */
const askAgainMs = 250;

/** All Gateways of our classes, and their routes. Costs one silent watch until somebody defines the kinds. */
export class GatewayController implements FrontEnd {
  readonly #options: GatewayControllerOptions;
  readonly #definitions: Informer<CustomResourceDefinition>;
  readonly #backends: PlannedBackends;
  readonly #addresses: AddressServices;
  readonly #reports: Reports;
  #kinds: Kinds | undefined;
  #watched: Watched | undefined;
  /** Undefined: an object of the Gateway API changed since it was planned, or one that such an object may refer to. */
  #plan: GatewaysPlan | undefined;
  #timer: NodeJS.Timeout | undefined;

  constructor(options: GatewayControllerOptions) {
    const { client, informers, log, changed } = options;
    this.#options = options;
    this.#definitions = informers.informer(customResourceDefinitions, {
      fieldSelector: `metadata.name=gateways.${gatewayGroup}`,
      transform: ({ metadata }) => ({ metadata }) as CustomResourceDefinition,
    });
    this.#backends = new PlannedBackends({
      service: (key) => this.#watched?.services.get(key),
      slices: (key) => this.#watched?.slices.byIndex(serviceIndex, key) ?? [],
      nodes: () => this.#watched?.nodes.list() ?? [],
    });
    this.#addresses = new AddressServices({
      client,
      log,
      gateway: (key) => this.#ours().find((each) => keyOf(each) === key),
      service: (key) => this.#watched?.services.get(key),
    });
    this.#reports = new Reports({ client, log, present: (resource, key) => this.#present(resource, key) });
    this.#definitions.onChange(changed);
  }

  get informers() {
    return [this.#definitions];
  }

  async stop(): Promise<void> {
    clearTimeout(this.#timer);
    await Promise.all([this.#addresses.stop(), this.#reports.stop()]);
  }

  async plan(): Promise<RoutingPlan | undefined> {
    if (!this.#kinds && this.#definitions.list().length > 0) await this.#watchKinds();
    this.#reports.classes(this.#kinds?.classes.list() ?? []);
    if (!this.#watched && this.#ours().length > 0) await this.#watch();
    const { watched, kinds } = { watched: this.#watched, kinds: this.#kinds };
    if (!watched || !kinds) return undefined;
    this.#plan ??= this.#planAnew(watched, kinds);
    return this.#plan.ports.size === 0 ? undefined : routingOf(this.#plan, this.#backends);
  }

  applied(error?: unknown): void {
    if (this.#plan) this.#reports.report(this.#plan, error === undefined ? undefined : messageOf(error));
  }

  #planAnew(watched: Watched, kinds: Kinds): GatewaysPlan {
    const plan = planGateways({
      classes: kinds.classes.list(),
      gateways: kinds.gateways.list().filter(({ metadata }) => !metadata?.deletionTimestamp),
      httpRoutes: watched.httpRoutes.list(),
      grpcRoutes: watched.grpcRoutes.list(),
      tlsRoutes: watched.tlsRoutes?.list() ?? [],
      listenerSets: watched.listenerSets?.list() ?? [],
      tlsPolicies: watched.tlsPolicies?.list() ?? [],
      grants: watched.grants.list(),
      configMap: (key) => watched.configMaps?.get(key),
      namespace: (name) => watched.namespaces.get(name),
      service: (key) => watched.services.get(key),
      secret: (key) => watched.secrets.get(key),
    });
    this.#backends.want(plan.wants);
    for (const { gateway } of plan.gateways) this.#addresses.check(gateway);
    return plan;
  }

  /** Gateways of classes that are ours. */
  #ours(): Gateway[] {
    const ours = this.#kinds?.classes.list().filter(({ spec }) => spec.controllerName === controllerName) ?? [];
    const names = new Set(ours.map(({ metadata }) => metadata?.name));
    return this.#kinds?.gateways.list().filter(({ spec }) => names.has(spec.gatewayClassName)) ?? [];
  }

  #changed(): void {
    this.#plan = undefined;
    this.#options.changed();
  }

  async #watchKinds(): Promise<void> {
    const { client, informers, changed } = this.#options;
    if (!(await this.#knowsKinds())) {
      this.#timer = setTimeout(changed, askAgainMs).unref();
      return;
    }
    try {
      await client.create(gatewayClasses, knitClass);
    } catch (error) {
      if (!isAlreadyExists(error)) throw error;
    }
    const kinds = { classes: informers.informer(gatewayClasses), gateways: informers.informer(gateways) };
    kinds.classes.onChange(() => this.#changed());
    kinds.gateways.onChange(() => this.#changed());
    await informers.start();
    this.#kinds = kinds;
  }

  async #knowsKinds(): Promise<boolean> {
    const wanted = [gatewayClasses, gateways, httpRoutes, grpcRoutes, referenceGrants];
    const known = await this.#knownKinds();
    return wanted.every(({ kind }) => known.has(kind));
  }

  #knownKinds(): Promise<ReadonlySet<string>> {
    return knownKinds((path) => this.#options.client.raw('GET', path));
  }

  async #watch(): Promise<void> {
    const { informers } = this.#options;
    const known = await this.#knownKinds();
    const watched: Watched = {
      httpRoutes: informers.informer(httpRoutes),
      grpcRoutes: informers.informer(grpcRoutes),
      tlsRoutes: known.has(tlsRoutes.kind) ? informers.informer(tlsRoutes) : undefined,
      listenerSets: known.has(listenerSets.kind) ? informers.informer(listenerSets) : undefined,
      tlsPolicies: known.has(backendTLSPolicies.kind) ? informers.informer(backendTLSPolicies) : undefined,
      // Only they refer to some.
      configMaps: known.has(backendTLSPolicies.kind) ? informers.informer(configMaps) : undefined,
      grants: informers.informer(referenceGrants),
      namespaces: informers.informer(namespaceResource),
      services: informers.informer(services),
      slices: informers.informer(endpointSlices, { indexes: { [serviceIndex]: (slice) => [serviceOf(slice)] } }),
      nodes: informers.informer(nodeResource),
      // Helm keeps releases of up to a megabyte in Secrets.
      secrets: informers.informer(secrets, { fieldSelector: 'type!=helm.sh/release.v1' }),
    };
    const anew = () => this.#changed();
    const { services: all, slices, nodes, ...others } = watched;
    for (const each of Object.values(others)) each?.onChange(anew);
    all.onChange((service, old) => {
      this.#backends.serviceChanged(keyOf(service ?? old ?? {}));
      this.#changed();
    });
    slices.onChange((slice, old) => {
      if (this.#backends.serviceChanged(serviceOf(slice ?? old))) this.#options.changed();
    });
    nodes.onChange(() => {
      if (this.#backends.nodesChanged()) this.#options.changed();
    });
    await informers.start();
    this.#watched = watched;
    this.#backends.nodesChanged();
  }

  #present({ plural }: Resource, key: string): KubeObject | undefined {
    const informers = Object.values({ ...this.#kinds, ...this.#watched });
    return informers.find((each) => each?.resource.plural === plural)?.get(key);
  }
}
