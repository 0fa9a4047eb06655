import type { ConfigMap, Namespace, Secret, Service } from '../../api/types.ts';
import { keyOf } from '../../client/cache.ts';
import type { BackendWant } from '../ingress/backends.ts';
import { namesOf } from '../ingress/certificates.ts';
import type { BackendPlan, CertificatePlan, PortPlan } from '../ingress/plan.ts';
import { addressesOf, addressProblem, isAddressService, serviceName, unsupportedAddress } from './addresses.ts';
import {
  type AttachedRoute,
  type AttachingRoute,
  type Attachment,
  attach,
  crossServing,
  gatewayKey,
} from './attachment.ts';
import { problemOf, type Referrer, WantedBackends } from './backends.ts';
import { controllerName } from './classes.ts';
import { type Problem, unless, type Verdict, verdict } from './conditions.ts';
import { moreSpecificFirst } from './hostnames.ts';
import { type PlannedListener, planListeners, protocolOf, serves } from './listeners.ts';
import type {
  BackendTLSPolicy,
  Gateway,
  GatewayClass,
  GRPCRoute,
  HTTPRoute,
  ParentReference,
  ReferenceGrant,
  RouteGroupKind,
  RouteObject,
  TLSRoute,
} from './objects.ts';
import { type Candidate, settleHosts } from './precedence.ts';
import { grpcRules, httpRules, type Rule, tlsRules, Unsupported } from './rules.ts';
import { type PolicyReport, TLSPolicies } from './tls-policies.ts';

/** The objects that Gateways are planned from. */
export interface GatewayObjects {
  readonly classes: readonly GatewayClass[];
  readonly gateways: readonly Gateway[];
  readonly httpRoutes: readonly HTTPRoute[];
  readonly grpcRoutes: readonly GRPCRoute[];
  readonly tlsRoutes: readonly TLSRoute[];
  readonly tlsPolicies: readonly BackendTLSPolicy[];
  readonly grants: readonly ReferenceGrant[];
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
  readonly authorities: ReadonlyMap<string, string>;
  readonly gateways: readonly GatewayReport[];
  readonly routes: readonly RouteReport[];
  readonly policies: readonly PolicyReport[];
}

export interface GatewayReport {
  readonly gateway: Gateway;
  readonly addresses: readonly string[];
  readonly verdicts: readonly Verdict[];
  readonly listeners: readonly ListenerReport[];
}

export interface ListenerReport {
  readonly name: string;
  readonly kinds: readonly RouteGroupKind[];
  readonly attachedRoutes: number;
  readonly verdicts: readonly Verdict[];
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

interface PlannedGateway {
  readonly gateway: Gateway;
  readonly addresses: readonly string[];
  readonly listeners: readonly PlannedListener[];
  readonly attached: Map<PlannedListener, AttachedRoute[]>;
  readonly candidates: Map<PlannedListener, Candidate[]>;
}

interface RouteOfKind {
  readonly kind: string;
  readonly route: RouteObject;
  /** @throws {Unsupported} */
  readRules(): Rule[];
}

/** Who is older comes first; of the same second the first by name. */
function byAge({ route: a }: RouteOfKind, { route: b }: RouteOfKind): number {
  const age = (a.metadata?.creationTimestamp ?? '') < (b.metadata?.creationTimestamp ?? '') ? -1 : 1;
  return a.metadata?.creationTimestamp === b.metadata?.creationTimestamp ? (keyOf(a) < keyOf(b) ? -1 : 1) : age;
}

class Planner {
  readonly #objects: GatewayObjects;
  readonly #policies: TLSPolicies;
  readonly #backends: WantedBackends;
  readonly #gateways: ReadonlyMap<string, PlannedGateway>;

  constructor(objects: GatewayObjects) {
    this.#objects = objects;
    this.#policies = new TLSPolicies(objects);
    this.#backends = new WantedBackends(objects, this.#policies);
    const ours = new Set(
      objects.classes.flatMap(({ metadata, spec }) => (spec.controllerName === controllerName ? metadata?.name : [])),
    );
    const served = objects.gateways.filter(({ spec }) => ours.has(spec.gatewayClassName));
    this.#gateways = new Map(served.map((gateway) => [keyOf(gateway), this.#planGateway(gateway)]));
  }

  plan(): GatewaysPlan {
    const { httpRoutes, grpcRoutes, tlsRoutes } = this.#objects;
    const routes: RouteOfKind[] = [
      ...httpRoutes.map((route) => ({ kind: 'HTTPRoute', route, readRules: () => httpRules(route) })),
      ...grpcRoutes.map((route) => ({ kind: 'GRPCRoute', route, readRules: () => grpcRules(route) })),
      ...tlsRoutes.map((route) => ({ kind: 'TLSRoute', route, readRules: () => tlsRules(route) })),
    ];
    const reports = routes.toSorted(byAge).map((each) => this.#planRoute(each));
    const all = [...this.#gateways.values()];
    return {
      ports: new Map(all.flatMap((each) => portsOf(each)).map((port) => [port.name, port])),
      wants: this.#backends.services,
      answering: this.#backends.answering,
      certificates: new Map(all.flatMap((each) => certificatesOf(each)).map((each) => [each.name, each])),
      authorities: this.#policies.authorities(),
      gateways: all.map((each) => reportOf(each)),
      routes: reports,
      policies: this.#policies.reports(),
    };
  }

  #planGateway(gateway: Gateway): PlannedGateway {
    const { name = '', namespace } = gateway.metadata ?? {};
    const service = this.#objects.service(`${namespace}/${serviceName(name, gateway.spec.gatewayClassName)}`);
    return {
      gateway,
      addresses: isAddressService(service) ? addressesOf(service) : [],
      listeners: planListeners(gateway, this.#objects),
      attached: new Map(),
      candidates: new Map(),
    };
  }

  #planRoute({ kind, route, readRules }: RouteOfKind): RouteReport {
    const namespace = route.metadata?.namespace ?? '';
    const namespaceLabels = this.#objects.namespace(namespace)?.metadata?.labels;
    const from: Referrer = { kind, namespace };
    const rules = attempt(readRules);
    const parents = (route.spec.parentRefs ?? []).flatMap((parentRef) => {
      const planned = this.#gateways.get(gatewayKey(parentRef, route) ?? '');
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
    const attachments = attach(attaching, parentRef, planned.gateway, planned.listeners);
    if ('reason' in attachments) return attachments;
    const attachedTo = (listener: PlannedListener) => planned.attached.get(listener) ?? [];
    const asRoute = (hosts: readonly string[]) => ({ kind: attaching.kind, key: keyOf(attaching.route), hosts });
    for (const { listener, hosts } of attachments) {
      const conflict = crossServing(asRoute(hosts), attachedTo(listener));
      if (conflict) return conflict;
    }
    for (const attachment of attachments) {
      const { listener, hosts } = attachment;
      planned.attached.set(listener, [...attachedTo(listener), asRoute(hosts)]);
      if (!serves(listener)) continue;
      const candidates = this.#candidates(attaching, attachment, planned.gateway, rules);
      planned.candidates.set(listener, [...(planned.candidates.get(listener) ?? []), ...candidates]);
    }
    return undefined;
  }

  #candidates(
    { kind, route }: AttachingRoute,
    { listener, hosts }: Attachment,
    gateway: Gateway,
    rules: readonly Rule[],
  ): Candidate[] {
    const { port, name } = listener.listener;
    const way = { port, protocol: protocolOf(listener.listener), gateway: keyOf(gateway) };
    const { namespace = '', creationTimestamp = '' } = route.metadata ?? {};
    return rules.flatMap((rule) =>
      rule.matches.flatMap((match) => {
        const backends = this.#backends.of(rule, match, { kind, namespace }, way);
        return hosts.map((host) => ({
          ...match,
          listener: name,
          host,
          source: keyOf(route),
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

function attempt(readRules: () => Rule[]): Rule[] | Problem {
  try {
    return readRules();
  } catch (error) {
    if (error instanceof Unsupported) return { reason: 'UnsupportedValue', message: error.message };
    throw error;
  }
}

/** By their numbers; what is refused, or is reached nowhere, has none. */
function servedPorts({ gateway, addresses, listeners }: PlannedGateway): Map<number, PlannedListener[]> {
  if (unsupportedAddress(gateway) || addresses.length === 0) return new Map();
  return Map.groupBy(listeners.filter(serves), ({ listener }) => listener.port);
}

function portsOf(planned: PlannedGateway): PortPlan[] {
  return [...servedPorts(planned)].map(([port, listeners]) => {
    const hosts = listeners.map(({ listener, host }) => ({ name: listener.name, host }));
    const candidates = listeners.flatMap((each) => planned.candidates.get(each) ?? []);
    return {
      name: portName(planned.gateway, port),
      addresses: planned.addresses,
      port,
      protocol: listeners[0] ? protocolOf(listeners[0].listener) : 'http',
      listeners: hosts.map(({ host }) => host).toSorted(moreSpecificFirst),
      hosts: settleHosts(hosts, candidates),
    };
  });
}

/** `shop_web_443`. No namespace or name has an underscore. */
function portName({ metadata }: Gateway, port: number): string {
  return `${metadata?.namespace}_${metadata?.name}_${port}`;
}

/** Each port has its certificates to itself. The first one is that of the listener for the most hosts. */
function certificatesOf(planned: PlannedGateway): CertificatePlan[] {
  return [...servedPorts(planned)].flatMap(([number, listeners]) => {
    const port = portName(planned.gateway, number);
    const wanted = listeners
      .toSorted((a, b) => moreSpecificFirst(b.host, a.host))
      .flatMap(({ host, certificates }) => certificates.map((each) => ({ ...each, host })));
    return [...Map.groupBy(wanted, ({ secret }) => secret)].flatMap(([secret, uses]) => {
      const pem = uses[0]?.pem ?? '';
      const hosts = new Set(uses.flatMap(({ host }) => (host === '' ? namesOf(pem) : [host])));
      return { name: `${port}.${secret.replace('/', '_')}`, pem, hosts: [...hosts], port };
    });
  });
}

function reportOf(planned: PlannedGateway): GatewayReport {
  const { gateway, addresses, listeners, attached } = planned;
  const listenersRefused = listeners.filter(({ refused }) => refused).length;
  const refused =
    unsupportedAddress(gateway) ?? noneAccepted(listeners, listenersRefused) ?? parametersProblem(gateway);
  const noAddress = addressProblem(gateway, addresses);
  const noneServes = listeners.some(serves) ? undefined : invalid('no listener can serve');
  return {
    gateway,
    addresses,
    verdicts: [
      unless(refused, 'Accepted', listenersRefused > 0 ? 'ListenersNotValid' : 'Accepted'),
      unless(refused ? invalid('it is not accepted') : (noAddress ?? noneServes), 'Programmed'),
    ],
    listeners: listeners.map((each) => ({
      name: each.listener.name,
      // What is not served supports no kind.
      kinds: each.refused ? [] : each.kinds,
      attachedRoutes: new Set(attached.get(each)?.map(({ kind, key }) => `${kind} ${key}`)).size,
      verdicts: listenerVerdicts(each, refused ?? noAddress),
    })),
  };
}

function listenerVerdicts(planned: PlannedListener, gatewayProblem: Problem | undefined): Verdict[] {
  const { refused, unresolved } = planned;
  const unserved = serves(planned) ? undefined : invalid(unresolved?.message ?? '');
  const pending = gatewayProblem && { reason: 'Pending', message: gatewayProblem.message };
  return [
    unless(refused, 'Accepted'),
    refused?.isConflict
      ? verdict('Conflicted', true, refused.reason, refused.message)
      : verdict('Conflicted', false, 'NoConflicts'),
    unless(unresolved, 'ResolvedRefs'),
    unless(refused ? (refused.isConflict ? refused : invalid(refused.message)) : (unserved ?? pending), 'Programmed'),
  ];
}

function noneAccepted(listeners: readonly PlannedListener[], refused: number): Problem | undefined {
  return refused < listeners.length ? undefined : { reason: 'ListenersNotValid', message: 'no listener is accepted' };
}

/** There is no kind of parameters yet. */
function parametersProblem({ spec }: Gateway): Problem | undefined {
  const ref = spec.infrastructure?.parametersRef;
  return ref && { reason: 'InvalidParameters', message: `parameters of the kind ${ref.kind} are not known` };
}

function invalid(message: string): Problem {
  return { reason: 'Invalid', message };
}
