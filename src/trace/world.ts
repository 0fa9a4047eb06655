import type {
  EndpointSlice,
  Ingress,
  IngressClass,
  Namespace,
  NetworkPolicy,
  Node,
  Pod,
  Service,
} from '../api/types.ts';
import { addressAt, familyOf, parseCIDR } from '../base/cidr.ts';
import { canonicalAddress } from '../base/prefixes.ts';
import type { ReadGateways } from '../edge/gateway/reading.ts';
import type { RoutingPlan } from '../edge/ingress/plan.ts';
import { type AddressPool, gatewayAddressClass } from '../edge/loadbalancer/addresses.ts';
import { type LoadBalancerPlan, planLoadBalancers } from '../edge/loadbalancer/plan.ts';
import type { FabricSpec } from '../machine/fabric.ts';
import { type PolicyPlan, planPolicies } from '../policy/index.ts';
import { masqueradeOf, type ProxyMode } from '../proxy/backends.ts';
import { planHostPorts } from '../proxy/hostports.ts';
import type { NodeFacts, PlanEntry, ServicePlan } from '../proxy/plan.ts';
import { planService, serviceKeyOf } from '../proxy/services.ts';
import type { Place } from './model.ts';
import { planRouting } from './predict/proxy.ts';

/** Everything that a packet's way depends on, at one moment: the objects, and the network that they stand on. */
export interface World {
  readonly objects: Objects;
  readonly network: Network;
}

/** The whole cluster's. */
export interface Objects {
  readonly pods: readonly Pod[];
  readonly services: readonly Service[];
  readonly endpointSlices: readonly EndpointSlice[];
  readonly nodes: readonly Node[];
  readonly namespaces: readonly Namespace[];
  readonly networkPolicies: readonly NetworkPolicy[];
  readonly ingresses: readonly Ingress[];
  readonly ingressClasses: readonly IngressClass[];
  /** Not there in a cluster without the Gateway API. */
  readonly gateways?: ReadGateways;
}

export interface Network {
  readonly fabric: FabricSpec;
  readonly proxyMode: ProxyMode;
  /** Pods of two nodes meet through a tunnel between them (VXLAN), not by routes of the fabric. */
  readonly overlay: boolean;
  /** Destinations outside the pods' network that know pods by their own addresses. */
  readonly directCIDRs: readonly string[];
  /** Where Services of type LoadBalancer get their addresses from, one a family; the reserved ones are the L7 proxy's. */
  readonly loadBalancerPools: readonly AddressPool[];
}

/** A world with what is derived from it: each is computed when it is first asked for. */
export class Atlas {
  readonly world: World;
  readonly #nodes = new Map<string, NodeFacts>();
  readonly #policies = new Map<string, PolicyPlan>();
  readonly #entries = new Map<string, PlanEntry | undefined>();
  #slices: ReadonlyMap<string | undefined, readonly EndpointSlice[]> | undefined;
  #servicesBy: ReadonlyMap<string, readonly Service[]> | undefined;
  #places: ReadonlyMap<string, Place> | undefined;
  #loadBalancers: LoadBalancerPlan | undefined;
  #routing: RoutingPlan | undefined;

  constructor(world: World) {
    this.world = world;
  }

  /** Throws for a node that is not in the cluster. */
  node(name: string): NodeFacts {
    const known = this.#nodes.get(name);
    if (known) return known;
    const { fabric, proxyMode } = this.world.network;
    const link = fabric.nodes.find((each) => each.name === name);
    if (!link) throw new Error(`the cluster has no node ${name}`);
    const object = this.world.objects.nodes.find((each) => each.metadata?.name === name);
    const zone = object?.metadata?.labels?.['topology.kubernetes.io/zone'];
    const facts: NodeFacts = {
      name,
      addresses: ofBoth(link.address, link.ipv6),
      podCIDRs: object?.spec?.podCIDRs ?? (object?.spec?.podCIDR ? [object.spec.podCIDR] : []),
      clusterCIDRs: ofBoth(fabric.podCIDR, fabric.ipv6?.podCIDR),
      masquerade: masqueradeOf[proxyMode],
      ...(zone === undefined ? {} : { zone }),
    };
    this.#nodes.set(name, facts);
    return facts;
  }

  policies(node: string): PolicyPlan {
    const known = this.#policies.get(node);
    if (known) return known;
    const { networkPolicies, pods, namespaces } = this.world.objects;
    const facts = this.node(node);
    const addresses = [...facts.addresses, ...gatewaysOf(facts)];
    const plan = planPolicies(networkPolicies, pods, namespaces, { ...facts, addresses });
    this.#policies.set(node, plan);
    return plan;
  }

  /** Where the L7 proxy sends requests. */
  get routing(): RoutingPlan {
    this.#routing ??= planRouting(this.world.objects);
    return this.#routing;
  }

  /** What the fabric should hold for load balancers, where every node's proxy runs. */
  get loadBalancers(): LoadBalancerPlan {
    const { objects, network } = this.world;
    const { nodes, services } = objects;
    const { fabric, loadBalancerPools: pools } = network;
    // Nodes are told apart by their place in the first family's network, and an IPv6 cluster's only pool is IPv6.
    const first = pools.every(({ cidr }) => familyOf(cidr) === 'ipv6') ? fabric.ipv6 : fabric;
    const input = { nodes, services, pools, nodeCIDR: (first ?? fabric).nodeCIDR };
    this.#loadBalancers ??= planLoadBalancers(input, ({ address, port }) => this.#isHealthy(address, port));
    return this.#loadBalancers;
  }

  /** The health check of a Service of policy `Local` is answered by nodes with pods of it, all others by every node. */
  #isHealthy(address: string, port: number): boolean {
    const place = this.placeOf(address);
    const service = this.world.objects.services.find(({ spec }) => spec?.healthCheckNodePort === port);
    if (place?.kind !== 'node' || !service) return true;
    return (this.#entry(place.name, service)?.healthCheck?.localEndpoints ?? 0) > 0;
  }

  /** What a node's kernel should hold for the Services that have this address or node port, the oldest first. */
  entriesAt(node: string, address: string, port: number): PlanEntry[] {
    const facts = this.node(node);
    this.#servicesBy ??= indexServices(this.world.objects.services);
    const onNode = facts.addresses.includes(address);
    const services = [
      ...(this.#servicesBy.get(address) ?? []),
      ...(onNode ? (this.#servicesBy.get(`node port ${port}`) ?? []) : []),
    ];
    const entries = services.flatMap((service) => this.#entry(node, service) ?? []);
    const hostPorts = onNode ? this.#podsOn(node).flatMap((pod) => planHostPorts(pod, facts) ?? []) : [];
    return [...entries, ...hostPorts].sort((a, b) => (a.createdAt < b.createdAt ? -1 : 1));
  }

  /** The same for all Services and host ports. */
  servicePlan(node: string): ServicePlan {
    const services = this.world.objects.services.flatMap((service) => this.#entry(node, service) ?? []);
    const hostPorts = this.#podsOn(node).flatMap((pod) => planHostPorts(pod, this.node(node)) ?? []);
    return new Map([...services, ...hostPorts].map((entry) => [entry.key, entry]));
  }

  #entry(node: string, service: Service): PlanEntry | undefined {
    const key = `${service.metadata?.namespace}/${service.metadata?.name}`;
    const id = `${node} ${key}`;
    if (!this.#entries.has(id)) {
      this.#slices ??= Map.groupBy(this.world.objects.endpointSlices, serviceKeyOf);
      this.#entries.set(id, planService(service, this.#slices.get(key) ?? [], this.node(node)));
    }
    return this.#entries.get(id);
  }

  #podsOn(node: string): readonly Pod[] {
    return this.world.objects.pods.filter((pod) => pod.spec?.nodeName === node);
  }

  /** Whose an address is; `undefined` for virtual ones and for those of the world outside. */
  placeOf(address: string): Place | undefined {
    this.#places ??= indexPlaces(this.world);
    return this.#places.get(address);
  }
}

function indexServices(services: readonly Service[]): Map<string, Service[]> {
  const index = new Map<string, Service[]>();
  const add = (key: string | undefined, service: Service) => {
    if (key !== undefined) index.set(key, [...(index.get(key) ?? []), service]);
  };
  for (const service of services) {
    const { spec, status } = service;
    const addresses = [
      ...(spec?.clusterIPs ?? [spec?.clusterIP]),
      ...(spec?.externalIPs ?? []),
      ...(status?.loadBalancer?.ingress ?? []).map((ingress) => ingress.ip),
    ];
    for (const address of new Set(addresses.map((each) => canonicalAddress(each ?? '')))) add(address, service);
    for (const port of spec?.ports ?? []) if (port.nodePort) add(`node port ${port.nodePort}`, service);
  }
  return index;
}

function indexPlaces({ objects, network: { fabric, loadBalancerPools } }: World): Map<string, Place> {
  const places = new Map<string, Place>();
  const pods = objects.pods.filter((pod) => !pod.spec?.hostNetwork && !isOver(pod));
  // Of two pods with one address the younger has it: the other is gone or will be soon.
  for (const pod of pods.toSorted((a, b) => (createdAt(a) < createdAt(b) ? -1 : 1))) {
    const place = podPlace(pod);
    for (const { ip } of pod.status?.podIPs ?? [{ ip: pod.status?.podIP }]) if (ip) places.set(ip, place);
  }
  for (const { name, address, ipv6 } of fabric.nodes) {
    for (const each of ofBoth(address, ipv6)) places.set(each, { kind: 'node', name });
  }
  for (const { name, address, ipv6 } of fabric.clients) {
    for (const each of ofBoth(address, ipv6)) places.set(each, { kind: 'client', name });
  }
  for (const address of fabricAddresses(fabric)) places.set(address, { kind: 'fabric' });
  for (const node of objects.nodes) {
    const place: Place = { kind: 'node', name: node.metadata?.name ?? '' };
    for (const address of tunnelEndsOf({ podCIDRs: node.spec?.podCIDRs ?? [] })) places.set(address, place);
  }
  for (const { reserved } of loadBalancerPools)
    for (const address of reserved) places.set(address, { kind: 'ingress' });
  // A Gateway's addresses are held by a Service that leads nowhere itself.
  for (const { spec, status } of objects.services) {
    if (spec?.loadBalancerClass !== gatewayAddressClass) continue;
    for (const { ip } of status?.loadBalancer?.ingress ?? []) if (ip) places.set(ip, { kind: 'ingress' });
  }
  return places;
}

/** What there is in IPv4, and in IPv6 where the cluster has it. */
const ofBoth = (ipv4: string, ipv6: string | undefined): string[] => (ipv6 === undefined ? [ipv4] : [ipv4, ipv6]);

/** The fabric's own addresses, in both families. */
export function fabricAddresses({ fabric, clientGateway, ipv6 }: FabricSpec): string[] {
  return [...ofBoth(fabric, ipv6?.fabric), ...ofBoth(clientGateway, ipv6?.clientGateway)];
}

/** The node's ends of its pods' links, from which it speaks to them. */
export function gatewaysOf(facts: Pick<NodeFacts, 'podCIDRs'>): string[] {
  return facts.podCIDRs.map((podCIDR) => addressAt(parseCIDR(podCIDR), 1));
}

/** The node's ends of the tunnels to other nodes, from which it speaks to their pods (`src/podnet/overlay.ts`). */
export function tunnelEndsOf(facts: Pick<NodeFacts, 'podCIDRs'>): string[] {
  return facts.podCIDRs.map((podCIDR) => addressAt(parseCIDR(podCIDR), 0));
}

export const isOver = (pod: Pod): boolean => pod.status?.phase === 'Succeeded' || pod.status?.phase === 'Failed';
const createdAt = (pod: Pod) => pod.metadata?.creationTimestamp ?? '';

/** Pods that share their node's network are in the node's place. */
export function podPlace(pod: Pod): Place {
  const { namespace = '', name = '' } = pod.metadata ?? {};
  const node = pod.spec?.nodeName ?? '';
  return pod.spec?.hostNetwork ? { kind: 'node', name: node } : { kind: 'pod', namespace, name, node };
}
