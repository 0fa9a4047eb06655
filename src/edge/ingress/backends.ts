import { createHash } from 'node:crypto';
import type { EndpointSlice, Node, Service, ServicePort } from '../../api/types.ts';
import type { Note } from './ingress.ts';
import type { BackendPlan, BackendPolicy, BackendProtocol, ProxyNode, ServerPlan } from './plan.ts';

/** One port of a Service, as an object wants it served. */
export interface BackendWant {
  readonly name: string;
  readonly namespace: string;
  readonly service: string;
  /** Of the Service: its name or its number. */
  readonly port: string | number;
  readonly mode: 'nodes' | 'pods';
  /** Left out: what `appProtocol` says. */
  readonly protocol?: BackendProtocol;
  readonly policy: BackendPolicy;
}

/** `shop_web_80`; where there is more to say, with what tells it from others of the same port: `shop_web_80_1a2b3c4d5e6f7a8b`. */
export function backendName({ namespace, service, port, mode, protocol, policy }: Omit<BackendWant, 'name'>): string {
  const plain = `${namespace}_${service}_${port}`;
  const more = JSON.stringify([mode, protocol, sorted(policy)]);
  return more === JSON.stringify(['nodes', undefined, []]) ? plain : `${plain}_${shortHash(more)}`;
}

/** 16 characters: who may write a part of `text` finds no other one with the same. */
export function shortHash(text: string): string {
  return createHash('sha256').update(text).digest('hex').slice(0, 16);
}

function sorted(policy: BackendPolicy): unknown {
  return Object.entries(policy)
    .filter(([, value]) => value !== undefined)
    .toSorted(([a], [b]) => (a < b ? -1 : 1));
}

export interface PlannedBackend {
  readonly backend: BackendPlan;
  /** For every object that wants it. */
  readonly notes: readonly Note[];
}

const excluded = 'node.kubernetes.io/exclude-from-external-load-balancers';
const leaving = 'ToBeDeletedByClusterAutoscaler';

/**
 * Nodes that load balancers may send to: those that are Ready, do not leave and are not excluded. Where none is Ready
 * all are tried: that the control plane hears of nobody is no reason to answer nobody.
 */
export function proxyNodes(nodes: readonly Node[]): ProxyNode[] {
  const willing = nodes.filter(
    ({ metadata, spec }) =>
      metadata?.labels?.[excluded] === undefined &&
      !metadata?.deletionTimestamp &&
      !spec?.taints?.some(({ key }) => key === leaving),
  );
  const ready = willing.filter(({ status }) =>
    status?.conditions?.some((each) => each.type === 'Ready' && each.status === 'True'),
  );
  return placesOf(ready.length > 0 ? ready : willing);
}

/** Nodes by name, with their addresses. */
export function placesOf(nodes: readonly Node[]): ProxyNode[] {
  return nodes
    .flatMap(({ metadata, status }) => {
      const address = status?.addresses?.find((each) => each.type === 'InternalIP')?.address;
      return address ? [{ name: metadata?.name ?? '', address }] : [];
    })
    .toSorted((a, b) => (a.name < b.name ? -1 : 1));
}

/** Finds the servers of a backend. A Service that is not there has none, and the proxy then answers 503. */
export function planBackend(
  want: BackendWant,
  service: Service | undefined,
  slices: readonly EndpointSlice[],
  nodes: readonly ProxyNode[],
  hosts: readonly ProxyNode[] = nodes,
): PlannedBackend {
  const port = service?.spec?.ports?.find(({ name, port: number }) => want.port === name || want.port === number);
  const problem = problemOf(want, service, port);
  if (!service || !port || problem) {
    return { backend: backendOf(want, []), notes: problem ? [problem] : [] };
  }
  const protocol = want.protocol ?? protocolOf(port);
  const endpoints = endpointsOf(service, port, slices);
  const native = whyNative(want, service, port);
  if (native === undefined) {
    return { backend: backendOf(want, nodeServers(service, port, protocol, endpoints, nodes)), notes: [] };
  }
  const servers = endpoints.map(({ address, port: number, name, node }) => {
    const host = hosts.some((each) => each.name === node) ? node : undefined;
    return { name, address, port: number, protocol, host };
  });
  const note: Note = { type: 'Normal', reason: 'ContainerNative', message: native };
  return { backend: backendOf(want, servers), notes: want.mode === 'pods' ? [] : [note] };
}

function backendOf({ name, policy }: BackendWant, servers: readonly ServerPlan[]): BackendPlan {
  return { name, policy, servers };
}

function problemOf(
  { namespace, service: name, port }: BackendWant,
  service: Service | undefined,
  found: ServicePort | undefined,
): Note | undefined {
  const warning = (reason: string, message: string): Note => ({ type: 'Warning', reason, message });
  if (!service) return warning('ServiceNotFound', `there is no Service ${namespace}/${name}: its paths answer 503`);
  if (service.spec?.type === 'ExternalName') {
    return warning('UnsupportedBackend', `Service ${namespace}/${name} is of type ExternalName, which is not served`);
  }
  if (!found) return warning('PortNotFound', `Service ${namespace}/${name} has no port ${port}: its paths answer 503`);
  return undefined;
}

/** Why a backend is served straight to its pods; undefined: it is not. */
function whyNative(want: BackendWant, service: Service, port: ServicePort): string | undefined {
  const name = `${want.namespace}/${want.service}`;
  if (want.mode === 'pods') return 'asked for';
  if (want.policy.affinityCookie) return `${name} is served straight to its pods: a node's port cannot keep a client`;
  if (!port.nodePort || service.spec?.type === 'ClusterIP') {
    return `${name} has no node ports: requests go straight to its pods`;
  }
  return undefined;
}

function nodeServers(
  service: Service,
  port: ServicePort,
  protocol: BackendProtocol,
  endpoints: readonly Endpoint[],
  nodes: readonly ProxyNode[],
): ServerPlan[] {
  // Under `Local` a node without a pod answers nobody.
  const local = service.spec?.externalTrafficPolicy === 'Local';
  const used = local ? nodes.filter(({ name }) => endpoints.some(({ node }) => node === name)) : nodes;
  return used.map(({ name, address }) => ({ name, address, port: port.nodePort ?? 0, protocol, node: name }));
}

function protocolOf({ appProtocol = '' }: ServicePort): BackendProtocol {
  if (/^(kubernetes\.io\/)?(h2c|http2|grpc)$/i.test(appProtocol)) return 'h2c';
  return /^https$/i.test(appProtocol) ? 'https' : 'http';
}

interface Endpoint {
  readonly name: string;
  readonly address: string;
  readonly port: number;
  readonly node?: string;
}

type SliceEndpoint = NonNullable<EndpointSlice['endpoints']>[number];

/** Ready endpoints; where there is none, those that still serve while they terminate (KEP-1669). Sorted, each once. */
function endpointsOf({ spec }: Service, port: ServicePort, slices: readonly EndpointSlice[]): Endpoint[] {
  // The proxy reaches both families: of two one is enough, and slices made by hand may belong to a Service without any.
  const family = spec?.ipFamilies?.includes('IPv4') === false ? 'IPv6' : 'IPv4';
  const ready = new Map<string, Endpoint>();
  const lastResort = new Map<string, Endpoint>();
  for (const slice of slices) {
    const number = slice.ports?.find(({ name }) => (name ?? '') === (port.name ?? ''))?.port;
    if (slice.addressType !== family || number === undefined) continue;
    for (const each of slice.endpoints ?? []) {
      const { ready: isReady = true, serving = isReady } = each.conditions ?? {};
      if (!isReady && !serving) continue;
      const endpoint = endpointOf(each, number);
      (isReady ? ready : lastResort).set(endpoint.name, endpoint);
    }
  }
  return [...(ready.size > 0 ? ready : lastResort).values()].toSorted((a, b) => (a.name < b.name ? -1 : 1));
}

function endpointOf({ addresses, nodeName, targetRef }: SliceEndpoint, port: number): Endpoint {
  const address = addresses[0] ?? '';
  const pod = targetRef?.kind === 'Pod' ? word(targetRef.name) : undefined;
  const name = pod ?? `${address}:${port}`;
  const node = word(nodeName);
  return { name: node ? `${node}:${name}` : name, address, port, node };
}

/** Whoever writes slices by hand may name anything; what names a server is a word of the proxy's configuration. */
function word(name: string | undefined): string | undefined {
  return /^[a-z0-9.-]+$/.test(name ?? '') ? name : undefined;
}
