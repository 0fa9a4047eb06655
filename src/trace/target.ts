import { randomUUID } from 'node:crypto';
import { isIP, isIPv6 } from 'node:net';
import type { Pod, Service, ServicePort } from '../api/types.ts';
import { familyOf, type IPFamily, urlHost } from '../base/cidr.ts';
import { KnitError } from '../base/errors.ts';
import { formatEndpoint, type Place, type Protocol } from './model.ts';
import { firstOfFamily } from './predict/addresses.ts';
import { ownAnswerOf, type ProxyRoute, proxyRouteOf } from './predict/proxy.ts';
import { contains, isLoopback } from './predict/services.ts';
import { type Atlas, fabricAddresses, gatewaysOf, isOver, podPlace, tunnelEndsOf } from './world.ts';

/** What a trace is asked: `knit trace FROM TO`. */
export interface Question {
  /** `pod/[NAMESPACE/]NAME[/CONTAINER]`, `node/NAME`, `client/NAME`. */
  readonly from: string;
  /** The same, or `service/[NAMESPACE/]NAME`, `localhost`, an address, a name, a URL; `:PORT` may follow. */
  readonly to: string;
  readonly port?: number;
  /** Default: what the Service's port says, else TCP. */
  readonly protocol?: Protocol;
  /** Of the address, where the target has some of both. Default: its first. */
  readonly family?: IPFamily;
}

/** Where a probe sends to. */
export interface Target {
  /** An address, or a name that the sender looks up. */
  readonly host: string;
  /** Of the address that the name is looked up for; not there: whichever comes. */
  readonly family?: IPFamily;
  readonly port: number;
  readonly protocol: Protocol;
  /** What was meant, in one line. */
  readonly title: string;
  /** What is sent once the connection stands. */
  readonly text?: string;
  /** It is said by TLS; `name` is the server's that is asked for (SNI). */
  readonly tls?: { readonly name?: string };
  /** The L7 proxy answers, and asks somebody behind it. */
  readonly proxied?: Proxied;
}

export interface Proxied extends ProxyRoute {
  /** Stands in the request, and in no other. */
  readonly token: string;
}

/** Throws `TARGET_UNKNOWN`, `POD_NOT_RUNNING`. */
export function parsePlace(atlas: Atlas, text: string, fallbackNamespace = 'default'): Place {
  const [kind, ...rest] = text.split('/');
  const [first = '', second, container] = rest;
  if (kind === 'pod' && rest.length >= 1 && rest.length <= 3) {
    const [namespace, name] = second === undefined ? [fallbackNamespace, first] : [first, second];
    return podPlace(runningPod(atlas, namespace, name, container));
  }
  const { fabric } = atlas.world.network;
  if (kind === 'node' && rest.length === 1) return { kind, name: known('node', first, fabric.nodes) };
  if (kind === 'client' && rest.length === 1) return { kind, name: known('client', first, fabric.clients) };
  throw new KnitError('TARGET_UNKNOWN', `${text} names nobody`, 'write pod/NAMESPACE/NAME, node/NAME or client/NAME');
}

function runningPod(atlas: Atlas, namespace: string, name: string, container: string | undefined): Pod {
  const { pods } = atlas.world.objects;
  const pod = pods.find((each) => each.metadata?.namespace === namespace && each.metadata.name === name);
  if (!pod) {
    const others = pods.filter((each) => each.metadata?.namespace === namespace).map((each) => each.metadata?.name);
    const hint =
      others.length === 0 ? `the namespace ${namespace} has no pods` : `there is: ${others.slice(0, 10).join(', ')}`;
    throw new KnitError('TARGET_UNKNOWN', `there is no pod ${namespace}/${name}`, hint);
  }
  const containers = pod.spec?.containers.map((each) => each.name) ?? [];
  if (container !== undefined && !containers.includes(container)) {
    throw new KnitError(
      'TARGET_UNKNOWN',
      `pod ${namespace}/${name} has no container ${container}`,
      `it has: ${containers.join(', ')}`,
    );
  }
  if (isOver(pod) || !pod.status?.podIP) {
    const state = `its phase is ${pod.status?.phase ?? 'Pending'}`;
    throw new KnitError(
      'POD_NOT_RUNNING',
      `pod ${namespace}/${name} has no network: ${state}`,
      `see why: knit kubectl describe pod -n ${namespace} ${name}`,
    );
  }
  return pod;
}

function known(kind: string, name: string, all: readonly { readonly name: string }[]): string {
  if (all.some((each) => each.name === name)) return name;
  throw new KnitError(
    'TARGET_UNKNOWN',
    `there is no ${kind} named ${name}`,
    `there is: ${all.map((each) => each.name).join(', ')}`,
  );
}

/** The address that a place's programs send from when they send to `destination`. */
export function sourceAddress(atlas: Atlas, from: Place, destination: string): string {
  if (isLoopback(destination)) return destination;
  const { fabric } = atlas.world.network;
  if (from.kind === 'pod') return podAddress(atlas, from, destination);
  const sameFamily = (address: string) => familyOf(address) === familyOf(destination);
  if (from.kind === 'client') {
    const client = fabric.clients.find((each) => each.name === from.name);
    return [client?.address, client?.ipv6].find((each) => each !== undefined && sameFamily(each)) ?? '';
  }
  if (from.kind !== 'node') return fabricAddresses(fabric).find(sameFamily) ?? '';
  const facts = atlas.node(from.name);
  const own = facts.addresses.find(sameFamily) ?? '';
  // To its own pods a node speaks from its end of their links; CNI's ptp sets no source on the route.
  if (contains(facts.podCIDRs, destination)) return gatewaysOf(facts).find(sameFamily) ?? own;
  const isTunnelled = atlas.world.network.overlay && contains(facts.clusterCIDRs, destination);
  return isTunnelled ? (tunnelEndsOf(facts).find(sameFamily) ?? own) : own;
}

function podAddress(atlas: Atlas, place: Extract<Place, { kind: 'pod' }>, destination: string): string {
  const pod = runningPod(atlas, place.namespace, place.name, undefined);
  const addresses = (pod.status?.podIPs ?? []).map(({ ip }) => ip).filter((ip) => ip !== undefined);
  return addresses.find((ip) => isIPv6(ip) === isIPv6(destination)) ?? pod.status?.podIP ?? '';
}

/** Reads what a trace is to. Throws `TARGET_UNKNOWN`, `PORT_NEEDED`. */
export function parseTarget(atlas: Atlas, from: Place, question: Question): Target {
  const { to } = question;
  const target = readTarget(atlas, from, question);
  if (question.family === undefined || isIP(target.host) === 0) return { ...target, ...familyWanted(question) };
  if (familyOf(target.host) === question.family) return target;
  throw new KnitError('TARGET_UNKNOWN', `${to} has no ${question.family} address`, 'leave out --ip-family');
}

const familyWanted = ({ family }: Question) => (family === undefined ? {} : { family });

function readTarget(atlas: Atlas, from: Place, question: Question): Target {
  const { to } = question;
  if (/^https?:\/\//.test(to)) return urlTarget(atlas, new URL(to), question);
  const [kind = '', ...rest] = to.split('/');
  const namespace = from.kind === 'pod' ? from.namespace : 'default';
  if (kind === 'service' || kind === 'svc') return serviceTarget(atlas, from, rest, namespace, question);
  if (kind === 'pod') return podTarget(atlas, to, namespace, question);
  if (kind === 'node' || kind === 'client') return machineTarget(atlas, from, to, question);
  return hostTarget(atlas, to, question);
}

/** `10.0.0.1`, `10.0.0.1:80`, `[fd00::1]:80`, `web.shop:80` */
export function splitPort(text: string): { host: string; port?: number } {
  const [, bracketed, plain, port] = /^(?:\[([^\]]+)\]|([^:]*))(?::(\w[\w-]*))?$/.exec(text) ?? [];
  const host = bracketed ?? plain;
  if (host === undefined) return { host: text }; // a bare IPv6 address
  return port === undefined ? { host } : { host, port: Number(port) };
}

function hostTarget(atlas: Atlas, to: string, question: Question): Target {
  const { host, port = question.port } = splitPort(to);
  const address = host === 'localhost' ? '127.0.0.1' : host;
  const protocol = question.protocol ?? 'tcp';
  if (!isIP(address))
    return {
      host,
      port: neededPort(port, protocol, to, 80),
      protocol,
      title: to,
      ...httpText(protocol, port ?? 80, host),
    };
  const service = serviceAt(atlas, address, port);
  const found = service && (findPort(service, port, question.protocol) ?? nodePortOf(service, port));
  const chosen = neededPort(port ?? found?.port, protocol, to);
  const title = found && service ? titleOf(service, found, address, chosen) : to;
  return {
    host: address,
    port: chosen,
    protocol: found ? protocolOf(found) : protocol,
    title,
    ...(found && isHttp(found) ? httpText('tcp', chosen, address) : {}),
  };
}

/** The Service that has an address of its own, or a port of a node. */
function serviceAt(atlas: Atlas, address: string, port: number | undefined): Service | undefined {
  const { services } = atlas.world.objects;
  const own = services.find(({ spec, status }) =>
    [...(spec?.clusterIPs ?? []), ...(status?.loadBalancer?.ingress ?? []).map(({ ip }) => ip)].includes(address),
  );
  const { nodes } = atlas.world.network.fabric;
  const isNode = nodes.some((node) => [node.address, node.ipv6, node.outsideAddress].includes(address));
  if (own || !isNode || port === undefined) return own;
  return services.find(({ spec }) => spec?.ports?.some(({ nodePort }) => nodePort === port));
}

const nodePortOf = ({ spec }: Service, port: number | undefined): ServicePort | undefined =>
  spec?.ports?.find(({ nodePort }) => port !== undefined && nodePort === port);

function urlTarget(atlas: Atlas, url: URL, question: Question): Target {
  if (question.protocol !== undefined && question.protocol !== 'tcp') {
    throw new KnitError('TARGET_UNKNOWN', `${url.href} is asked by TCP`, 'leave out --protocol');
  }
  const host = url.hostname.replace(/^\[|\]$/g, '');
  const isSecure = url.protocol === 'https:';
  const usual = isSecure ? 443 : 80;
  const port = Number(url.port || usual);
  const path = url.pathname + url.search;
  const tls = isSecure ? { tls: isIP(host) ? {} : { name: host } } : {};
  const plain = { port, protocol: 'tcp', ...tls } as const;
  const own = atlas.world.network.loadBalancerPools.flatMap(({ reserved }) => reserved);
  const headers = new Map(Object.entries(probeHeaders(url.host)).map(([name, value]) => [name.toLowerCase(), value]));
  const route = proxyRouteOf(atlas.routing, own, { url, host, port, headers, family: question.family });
  if (!route) return { ...plain, host, title: url.href, text: httpRequest(path, url.host) };
  const token = randomUUID();
  const text = httpRequest(path, url.host, { 'X-Knit-Trace': token });
  const answer = ownAnswerOf(atlas.routing, route);
  const title = `${route.owner} ${url.href}`;
  if (answer !== undefined) return { ...plain, host: route.address, title: `${title} · ${answer}`, text };
  return { ...plain, host: route.address, title, text, proxied: { ...route, token } };
}

function podTarget(atlas: Atlas, to: string, namespace: string, question: Question): Target {
  const { host: path, port: written } = splitPort(to);
  const place = parsePlace(atlas, path, namespace);
  if (place.kind !== 'pod')
    throw new KnitError('TARGET_UNKNOWN', `${path} shares its node's network`, 'trace to the node');
  const pod = runningPod(atlas, place.namespace, place.name, undefined);
  const protocol = question.protocol ?? 'tcp';
  const ports = pod.spec?.containers.flatMap((each) => each.ports ?? []) ?? [];
  const first = ports.find((each) => (each.protocol ?? 'TCP').toLowerCase() === protocol);
  const port = neededPort(question.port ?? written ?? first?.containerPort, protocol, to);
  const named = ports.find((each) => each.containerPort === port)?.name;
  const host = firstOfFamily(pod.status?.podIPs?.map(({ ip }) => ip) ?? [], question.family) ?? pod.status?.podIP ?? '';
  return {
    host,
    port,
    protocol,
    title: `pod ${place.namespace}/${place.name} on ${place.node}`,
    ...(named?.startsWith('http') ? httpText(protocol, port, host) : {}),
  };
}

/** A node is reached from outside by its outside address. */
function machineTarget(atlas: Atlas, from: Place, to: string, question: Question): Target {
  const { host: path, port = question.port } = splitPort(to);
  const place = parsePlace(atlas, path);
  const { fabric } = atlas.world.network;
  const node = fabric.nodes.find((each) => place.kind === 'node' && each.name === place.name);
  const client = fabric.clients.find((each) => place.kind === 'client' && each.name === place.name);
  const own = from.kind === 'client' ? node?.outsideAddress : node?.address;
  const address = firstOfFamily([own, node?.ipv6, client?.address, client?.ipv6], question.family) ?? '';
  const protocol = question.protocol ?? 'tcp';
  return { host: address, port: neededPort(port, protocol, to), protocol, title: `${path} ${address}` };
}

function serviceTarget(
  atlas: Atlas,
  from: Place,
  rest: readonly string[],
  fallback: string,
  question: Question,
): Target {
  const { host: last, port: written } = splitPort(rest.at(-1) ?? '');
  const [namespace, name] = rest.length === 2 ? [rest[0] ?? '', last] : [fallback, last];
  const service = atlas.world.objects.services.find(
    (each) => each.metadata?.namespace === namespace && each.metadata.name === name,
  );
  if (!service) {
    const others = atlas.world.objects.services
      .filter((each) => each.metadata?.namespace === namespace)
      .map((each) => each.metadata?.name);
    throw new KnitError(
      'TARGET_UNKNOWN',
      `there is no Service ${namespace}/${name}`,
      others.length > 0 ? `there is: ${others.slice(0, 10).join(', ')}` : `the namespace ${namespace} has none`,
    );
  }
  const port = findPort(service, question.port ?? written, question.protocol);
  if (question.protocol === 'icmp' || !port) return wholeService(service, question, written);
  const { host, number } = addressFor(atlas, from, service, port, question.family);
  return {
    host,
    port: number,
    protocol: protocolOf(port),
    title: titleOf(service, port, host, number),
    ...(isHttp(port) ? httpText(protocolOf(port), number, host) : {}),
  };
}

/** A ping, or a port that the Service does not have. */
function wholeService(service: Service, question: Question, written: number | undefined): Target {
  const { namespace, name } = service.metadata ?? {};
  const protocol = question.protocol ?? 'tcp';
  const host = firstOfFamily(service.spec?.clusterIPs ?? [], question.family) ?? service.spec?.clusterIP ?? '';
  return {
    host,
    port: neededPort(question.port ?? written, protocol, `service/${namespace}/${name}`),
    protocol,
    title: `Service ${namespace}/${name} ${host}`,
  };
}

/** Outside clients come by the load balancer, or by a node port of the first node. */
function addressFor(
  atlas: Atlas,
  from: Place,
  service: Service,
  port: ServicePort,
  family: IPFamily | undefined,
): { host: string; number: number } {
  const { clusterIP = '', clusterIPs = [] } = service.spec ?? {};
  const { namespace, name } = service.metadata ?? {};
  if (from.kind === 'client') {
    const balanced = firstOfFamily(service.status?.loadBalancer?.ingress?.map(({ ip }) => ip) ?? [], family);
    if (balanced) return { host: balanced, number: port.port };
    const [node] = atlas.world.network.fabric.nodes;
    const outside = firstOfFamily([node?.outsideAddress, node?.ipv6], family);
    if (port.nodePort && outside) return { host: outside, number: port.nodePort };
    throw new KnitError(
      'TARGET_UNKNOWN',
      `Service ${namespace}/${name} has no address outside the cluster`,
      'make it of type LoadBalancer or NodePort',
    );
  }
  if (clusterIP === '' || clusterIP === 'None') {
    throw new KnitError(
      'TARGET_UNKNOWN',
      `Service ${namespace}/${name} has no virtual address`,
      'trace to its DNS name, or to one of its pods',
    );
  }
  return { host: firstOfFamily(clusterIPs, family) ?? clusterIP, number: port.port };
}

function findPort(service: Service, port: number | undefined, protocol: Protocol | undefined): ServicePort | undefined {
  const ports = (service.spec?.ports ?? []).filter((each) => protocol === undefined || protocolOf(each) === protocol);
  if (port === undefined) return ports[0];
  return ports.find((each) => each.port === port);
}

const protocolOf = (port: ServicePort): Protocol => (port.protocol === 'UDP' ? 'udp' : 'tcp');
const isHttp = ({ name, appProtocol, port }: ServicePort): boolean =>
  appProtocol === 'http' || (appProtocol === undefined && (name?.startsWith('http') === true || port === 80));

function titleOf(service: Service, port: ServicePort, host: string, number: number): string {
  const { namespace, name } = service.metadata ?? {};
  const { type = 'ClusterIP', externalTrafficPolicy } = service.spec ?? {};
  const policy = type === 'ClusterIP' ? '' : ` · externalTrafficPolicy: ${externalTrafficPolicy ?? 'Cluster'}`;
  return `Service ${namespace}/${name}:${port.name ?? port.port} ${formatEndpoint(host, number)} · ${type}${policy}`;
}

function neededPort(port: number | undefined, protocol: Protocol, to: string, fallback?: number): number {
  const chosen = protocol === 'icmp' ? 0 : (port ?? fallback);
  if (chosen !== undefined && chosen >= 0 && chosen < 65_536) return chosen;
  throw new KnitError('PORT_NEEDED', `which port of ${to}?`, 'say --port, or write it after the target: …:8080');
}

function httpText(protocol: Protocol, port: number, host: string): { text?: string } {
  return protocol === 'tcp' ? { text: httpRequest('/', port === 80 ? urlHost(host) : formatEndpoint(host, port)) } : {};
}

const probeHeaders = (host: string) => ({ Host: host, 'User-Agent': 'knit-trace', Connection: 'close' });

function httpRequest(path: string, host: string, more: Readonly<Record<string, string>> = {}): string {
  const headers = Object.entries({ ...probeHeaders(host), ...more }).map(([name, value]) => `${name}: ${value}`);
  return [`GET ${path} HTTP/1.1`, ...headers, '', ''].join('\r\n');
}
