import type { ConfigMap, Namespace, Secret, Service } from '../../api/types.ts';
import { keyOf } from '../../client/cache.ts';
import type { BackendWant } from '../ingress/backends.ts';
import type { BackendPlan, CertificatePlan, PortPlan } from '../ingress/plan.ts';
import { addressesOf, isAddressService, serviceName } from './addresses.ts';
import { type AttachingRoute, type Attachment, attach, crossServing, parentKey } from './attachment.ts';
import { problemOf, type Referrer, WantedBackends } from './backends.ts';
import { shownToServers } from './certificates.ts';
import { controllerName } from './classes.ts';
import { type Problem, unless, type Verdict } from './conditions.ts';
import { admitsNamespace, type PlannedListener, planListeners, protocolOf, serves } from './listeners.ts';
import {
  type BackendTLSPolicy,
  type Gateway,
  type GatewayClass,
  type GRPCRoute,
  type HTTPRoute,
  type ListenerSet,
  olderFirst,
  type ParentReference,
  type ReferenceGrant,
  type RouteObject,
  type TLSRoute,
} from './objects.ts';
import { certificatesOf, type PlannedGateway, pemsOf, portsOf } from './ports.ts';
import type { Candidate } from './precedence.ts';
import { grpcRules, httpRules, type Rule, tlsRules, Unsupported } from './rules.ts';
import { type PolicyReport, TLSPolicies } from './tls-policies.ts';
import { type GatewayReport, type ListenerSetReport, reportOf, setReportOf } from './verdicts.ts';

/** A cluster's objects of the Gateway API. */
export interface GatewayKinds {
  readonly classes: readonly GatewayClass[];
  readonly gateways: readonly Gateway[];
  readonly listenerSets: readonly ListenerSet[];
  readonly httpRoutes: readonly HTTPRoute[];
  readonly grpcRoutes: readonly GRPCRoute[];
  readonly tlsRoutes: readonly TLSRoute[];
  readonly tlsPolicies: readonly BackendTLSPolicy[];
  readonly grants: readonly ReferenceGrant[];
}

/** The objects that Gateways are planned from. */
export interface GatewayObjects extends GatewayKinds {
  configMap(key: string): ConfigMap | undefined;
  namespace(name: string): Namespace | undefined;
  service(key: string): Service | undefined;
  secret(key: string): Secret | undefined;
}

/** What the proxy should do for Gateways, and what their owners should know once it does. */
export interface GatewaysPlan {
  /** By name. */
  readonly ports: ReadonlyMap<string, PortPlan>;
  readonly wants: ReadonlyMap<string, BackendWant>;
  readonly answering: ReadonlyMap<string, BackendPlan>;
  readonly certificates: ReadonlyMap<string, CertificatePlan>;
  readonly pems: ReadonlyMap<string, string>;
  readonly gateways: readonly GatewayReport[];
  readonly listenerSets: readonly ListenerSetReport[];
  readonly routes: readonly RouteReport[];
  readonly policies: readonly PolicyReport[];
}

export interface RouteReport {
  readonly kind: string;
  readonly route: RouteObject;
  readonly parents: readonly { readonly parentRef: ParentReference; readonly verdicts: readonly Verdict[] }[];
}

/** Plans all Gateways of our classes, and the routes of their listeners. Pure. */
export function planGateways(objects: GatewayObjects): GatewaysPlan {
  const planner = new Planner(objects);
  return planner.plan();
}

export interface RouteOfKind {
  readonly kind: string;
  readonly route: RouteObject;
  /** @throws {Unsupported} */
  readRules(): Rule[];
}

/** Routes of all kinds. */
export function routesOf({ httpRoutes, grpcRoutes, tlsRoutes }: GatewayKinds): RouteOfKind[] {
  return [
    ...httpRoutes.map((route) => ({ kind: 'HTTPRoute', route, readRules: () => httpRules(route) })),
    ...grpcRoutes.map((route) => ({ kind: 'GRPCRoute', route, readRules: () => grpcRules(route) })),
    ...tlsRoutes.map((route) => ({ kind: 'TLSRoute', route, readRules: () => tlsRules(route) })),
  ];
}

class Planner {
  readonly #objects: GatewayObjects;
  readonly #policies: TLSPolicies;
  readonly #backends: WantedBackends;
  /** By kind, namespace and name; and those that a ListenerSet is for. */
  readonly #gateways: ReadonlyMap<string, PlannedGateway>;
  readonly #sets = new Map<string, PlannedGateway>();

  constructor(objects: GatewayObjects) {
    this.#objects = objects;
    this.#policies = new TLSPolicies(objects);
    this.#backends = new WantedBackends(objects, this.#policies);
    const ours = new Set(
      objects.classes.flatMap(({ metadata, spec }) => (spec.controllerName === controllerName ? metadata?.name : [])),
    );
    const served = objects.gateways.filter(({ spec }) => ours.has(spec.gatewayClassName));
    this.#gateways = new Map(served.map((gateway) => [`Gateway ${keyOf(gateway)}`, this.#planGateway(gateway)]));
    for (const set of objects.listenerSets.toSorted(olderFirst)) this.#planSet(set);
  }

  plan(): GatewaysPlan {
    const routes = routesOf(this.#objects).toSorted((a, b) => olderFirst(a.route, b.route));
    const reports = routes.map((each) => this.#planRoute(each));
    const all = [...this.#gateways.values()];
    return {
      ports: new Map(all.flatMap((each) => portsOf(each)).map((port) => [port.name, port])),
      wants: this.#backends.services,
      answering: this.#backends.answering,
      certificates: new Map(all.flatMap((each) => certificatesOf(each)).map((each) => [each.name, each])),
      pems: new Map([...this.#policies.authorities(), ...all.flatMap(pemsOf)].map(({ name, pem }) => [name, pem])),
      gateways: all.map(reportOf),
      listenerSets: all.flatMap((each) => each.sets.map((set) => setReportOf(set, each))),
      routes: reports,
      policies: this.#policies.reports(),
    };
  }

  #planGateway(gateway: Gateway): PlannedGateway {
    const { name = '', namespace = '' } = gateway.metadata ?? {};
    const service = this.#objects.service(`${namespace}/${serviceName(name, gateway.spec.gatewayClassName)}`);
    const owner = { kind: 'Gateway' as const, namespace, name };
    return {
      gateway,
      shown: shownToServers(gateway, this.#objects),
      addresses: isAddressService(service) ? addressesOf(service) : [],
      listeners: planListeners(gateway, owner, gateway.spec.listeners, [], this.#objects),
      sets: [],
      attached: new Map(),
      candidates: new Map(),
    };
  }

  /** Adds a set's listeners to those of its Gateway, if that takes them. */
  #planSet(set: ListenerSet): void {
    const planned = this.#gateways.get(parentKey(set.spec.parentRef, set));
    if (!planned) return;
    const { name = '', namespace = '' } = set.metadata ?? {};
    const { spec, metadata } = planned.gateway;
    const allowed = { from: 'None', ...spec.allowedListeners?.namespaces };
    const namespaceLabels = this.#objects.namespace(namespace)?.metadata?.labels;
    if (!admitsNamespace(allowed, metadata?.namespace ?? '', { namespace, namespaceLabels })) {
      const refused = {
        reason: 'NotAllowed',
        message: `the Gateway takes no listeners from the namespace ${namespace}`,
      };
      planned.sets.push({ set, listeners: [], refused });
      return;
    }
    const owner = { kind: 'ListenerSet' as const, namespace, name };
    const listeners = planListeners(planned.gateway, owner, set.spec.listeners, planned.listeners, this.#objects);
    planned.sets.push({ set, listeners });
    planned.listeners.push(...listeners);
    this.#sets.set(`ListenerSet ${keyOf(set)}`, planned);
  }

  #planRoute({ kind, route, readRules }: RouteOfKind): RouteReport {
    const namespace = route.metadata?.namespace ?? '';
    const namespaceLabels = this.#objects.namespace(namespace)?.metadata?.labels;
    const from: Referrer = { kind, namespace };
    const rules = attempt(readRules);
    const parents = (route.spec.parentRefs ?? []).flatMap((parentRef) => {
      const key = parentKey(parentRef, route);
      const planned = this.#gateways.get(key) ?? this.#sets.get(key);
      if (!planned) return [];
      const refused =
        'reason' in rules ? rules : this.#attach({ kind, route, namespaceLabels }, parentRef, planned, rules);
      const unresolved = 'reason' in rules ? undefined : this.#unresolved(rules, from);
      return [{ parentRef, verdicts: [unless(refused, 'Accepted'), unless(unresolved, 'ResolvedRefs')] }];
    });
    return { kind, route, parents };
  }

  /** Gives the route to the listeners of one parent; the problem where there is none. */
  #attach(
    attaching: AttachingRoute,
    parentRef: ParentReference,
    planned: PlannedGateway,
    rules: readonly Rule[],
  ): Problem | undefined {
    const parent = parentKey(parentRef, attaching.route);
    const listeners = planned.listeners.filter(
      ({ owner }) => `${owner.kind} ${owner.namespace}/${owner.name}` === parent,
    );
    const attachments = attach(attaching, parentRef, listeners);
    if ('reason' in attachments) return attachments;
    const attachedTo = (listener: PlannedListener) => planned.attached.get(listener) ?? [];
    const asRoute = (hosts: readonly string[]) => ({ kind: attaching.kind, key: keyOf(attaching.route), hosts });
    for (const { listener, hosts } of attachments) {
      const conflict = crossServing(asRoute(hosts), attachedTo(listener));
      if (conflict) return conflict;
    }
    for (const attachment of attachments) {
      const { listener, hosts } = attachment;
      append(planned.attached, listener, [asRoute(hosts)]);
      if (!serves(listener)) continue;
      const candidates = this.#candidates(attaching, attachment, planned, rules);
      append(planned.candidates, listener, candidates);
    }
    return undefined;
  }

  #candidates(
    { kind, route }: AttachingRoute,
    { listener, hosts }: Attachment,
    { gateway, shown }: PlannedGateway,
    rules: readonly Rule[],
  ): Candidate[] {
    const { port } = listener.listener;
    const way = { port, protocol: protocolOf(listener.listener), gateway: keyOf(gateway), shown };
    const { namespace = '', creationTimestamp = '' } = route.metadata ?? {};
    return rules.flatMap((rule, index) =>
      rule.matches.flatMap((match) => {
        const backends = this.#backends.of(rule, match, { kind, namespace }, way);
        return hosts.map((host) => ({
          ...match,
          listener,
          host,
          source: keyOf(route),
          kind,
          rule: index,
          createdAt: creationTimestamp,
          backends,
        }));
      }),
    );
  }

  /** The first reference of a route that leads nowhere. */
  #unresolved(rules: readonly Rule[], from: Referrer): Problem | undefined {
    for (const { backendRefs } of rules) {
      for (const { ref } of backendRefs) {
        const problem = problemOf(ref, from, this.#objects);
        if (problem) return problem;
      }
    }
    return undefined;
  }
}

function append<K, V>(lists: Map<K, V[]>, key: K, values: readonly V[]): void {
  const list = lists.get(key);
  if (list) list.push(...values);
  else lists.set(key, [...values]);
}

function attempt(readRules: () => Rule[]): Rule[] | Problem {
  try {
    return readRules();
  } catch (error) {
    if (error instanceof Unsupported) return { reason: 'UnsupportedValue', message: error.message };
    throw error;
  }
}
