import { createHash } from 'node:crypto';
import { ipBatch, listNetns } from '../kernel/ip.ts';
import { feed, removeNetnsFolderIfEmpty, runInNetns, setForAllInterfaces } from '../kernel/netns.ts';
import { tryRun } from '../kernel/run.ts';
import { fabricRules } from './fabric-rules.ts';

/**
 * The network of one cluster on this machine: a fabric namespace that routes between the nodes' namespaces, outside
 * clients and the host. All names begin with `prefix` (`knit`, `knit-demo`).
 */
export interface FabricSpec extends FabricNetworks {
  readonly prefix: string;
  /** The same in IPv6, where the cluster is dual-stack. No address is translated there, and no way leads out. */
  readonly ipv6?: FabricNetworks;
  /** Of the nodes' outside addresses. */
  readonly outsideCIDR: string;
  readonly host: { readonly interface: string; readonly host: string; readonly fabric: string; readonly bits: number };
  /** `nat`: the way out is the host's own routing; `user`: a process gives the interface `uplink`; `none`: no way. */
  readonly uplink: 'user' | 'nat' | 'none';
  readonly nodes: readonly NodeLink[];
  readonly clients: readonly ClientLink[];
}

/** What is there once a family. */
export interface FabricNetworks {
  /** The fabric's address: every node's gateway, and where the API server listens. */
  readonly fabric: string;
  readonly clientGateway: string;
  readonly podCIDR: string;
  readonly serviceCIDR: string;
  readonly nodeCIDR: string;
  /** Virtual addresses. What of them leads nowhere is dropped. */
  readonly loadBalancerCIDR: string;
}

export interface NodeLink {
  readonly name: string;
  readonly address: string;
  /** Its address for those outside the cluster, translated 1:1 by the fabric. */
  readonly outsideAddress: string;
  readonly ipv6?: string;
}

export interface ClientLink {
  readonly name: string;
  readonly address: string;
  readonly ipv6?: string;
}

/** Names of clusters and nodes have no dot, so none of these can be taken for another cluster's. */
export const fabricNetns = (prefix: string): string => `${prefix}.fabric`;
export const nodeNetns = (prefix: string, node: string): string => `${prefix}.${node}`;
export const ingressNetns = (prefix: string): string => `${prefix}.edge.ingress`;
export const clientNetns = (prefix: string, client: string): string => `${prefix}.client.${client}`;

/** Makes all namespaces and links of a cluster. What was made stays when it throws; {@link removeFabric} takes it away. */
export async function createFabric(spec: FabricSpec): Promise<void> {
  const fabric = fabricNetns(spec.prefix);
  await ipBatch([
    `netns add ${fabric}`,
    ...spec.nodes.flatMap((node) => nodeLink(spec.prefix, node)),
    ...spec.clients.flatMap((client) => clientLink(spec.prefix, client)),
    `link add ${spec.host.interface} type veth peer name host netns ${fabric}`,
    `addr add ${spec.host.host}/${spec.host.bits} dev ${spec.host.interface}`,
    `link set ${spec.host.interface} up`,
  ]);
  await Promise.all([
    configureFabric(spec),
    ...spec.nodes.map((node) => configureNode(spec, node)),
    ...spec.clients.map((client) => configureClient(spec, client)),
  ]);
  await ipBatch(
    [spec.nodeCIDR, spec.loadBalancerCIDR].map(
      (cidr) => `route replace ${cidr} via ${spec.host.fabric} dev ${spec.host.interface} src ${spec.host.host}`,
    ),
  );
}

/** Adds one node to a fabric that stands. `spec.nodes` holds it already. */
export async function addNodeLink(spec: FabricSpec, node: NodeLink): Promise<void> {
  await ipBatch(nodeLink(spec.prefix, node));
  await Promise.all([
    ipBatch(fabricSideOfNode(spec, node), fabricNetns(spec.prefix)),
    runInNetns(fabricNetns(spec.prefix), feed('nft -f -', fabricRules(spec))),
    configureNode(spec, node),
  ]);
}

/** Adds a client to a fabric that stands. */
export async function addClientLink(spec: FabricSpec, client: ClientLink): Promise<void> {
  await ipBatch(clientLink(spec.prefix, client));
  await ipBatch(fabricSideOfClient(spec, client), fabricNetns(spec.prefix));
  await configureClient(spec, client);
}

/** Takes a client away. What still runs in its network has no link from then on. */
export async function removeClientLink(prefix: string, client: string): Promise<void> {
  await tryRun('ip', ['-n', fabricNetns(prefix), 'link', 'del', clientInterface(client)]);
  await tryRun('ip', ['netns', 'del', clientNetns(prefix, client)]);
}

/** Pulls a node's cable: from now on nobody gets an answer of it. */
export async function cutNodeLink(spec: FabricSpec, node: NodeLink): Promise<void> {
  await ipBatch(['link set eth0 down'], nodeNetns(spec.prefix, node.name));
}

/** Plugs it in again, where it was cut. */
export async function restoreNodeLink(spec: FabricSpec, node: NodeLink): Promise<void> {
  await ipBatch(farSide(linksOf(node, spec.fabric, spec.ipv6?.fabric)), nodeNetns(spec.prefix, node.name));
}

/** Removes a node's namespace, and with it its link and the routes over it. */
export async function removeNodeLink(spec: FabricSpec, node: string): Promise<void> {
  await ipBatch([`netns del ${nodeNetns(spec.prefix, node)}`]);
  await runInNetns(fabricNetns(spec.prefix), feed('nft -f -', fabricRules(spec)));
}

/** Removes all that a cluster has in the kernel's network, whatever of it is there. */
export async function removeFabric(prefix: string): Promise<void> {
  const mine = (await listNetns()).filter((name) => name.startsWith(`${prefix}.`));
  // The kernel takes a namespace's links away some time after its name; the host's must be gone when this returns.
  if (mine.includes(fabricNetns(prefix))) await tryRun('ip', ['-n', fabricNetns(prefix), 'link', 'del', 'host']);
  await ipBatch(mine.map((name) => `netns del ${name}`));
  await removeNetnsFolderIfEmpty();
}

/** The interface on the fabric's side of a node's link: the node's name wherever the kernel takes it. */
export function nodeInterface(node: string): string {
  return node.length <= 15 && !/^(lo|host|uplink|ingress|all|default|c-.*)$/.test(node) ? node : `n-${hash(node)}`;
}

function clientInterface(client: string): string {
  return `c-${client}`;
}

function nodeLink(prefix: string, node: NodeLink): string[] {
  const netns = nodeNetns(prefix, node.name);
  return [`netns add ${netns}`, veth(prefix, nodeInterface(node.name), netns)];
}

function clientLink(prefix: string, client: ClientLink): string[] {
  const netns = clientNetns(prefix, client.name);
  return [`netns add ${netns}`, veth(prefix, clientInterface(client.name), netns)];
}

function veth(prefix: string, inFabric: string, netns: string): string {
  return `link add ${inFabric} netns ${fabricNetns(prefix)} type veth peer name eth0 netns ${netns}`;
}

async function configureFabric(spec: FabricSpec): Promise<void> {
  const lines = [
    'link set lo up',
    'link set host up',
    `addr add ${spec.host.fabric}/${spec.host.bits} dev host`,
    // What no node asked for must not leave by the uplink.
    `route add unreachable ${spec.serviceCIDR}`,
    `route add unreachable ${spec.podCIDR}`,
    `route add unreachable ${spec.nodeCIDR}`,
    `route add unreachable ${spec.outsideCIDR}`,
    // Reserved; where hollow nodes seem to be.
    'route add unreachable 240.0.0.0/4',
    'route add unreachable 100::/64',
    ...[spec, spec.ipv6].flatMap((networks) => (networks ? [`route add blackhole ${networks.loadBalancerCIDR}`] : [])),
    ...(spec.ipv6 ? [spec.ipv6.serviceCIDR, spec.ipv6.podCIDR, spec.ipv6.nodeCIDR] : []).map(
      (network) => `route add unreachable ${network}`,
    ),
    ...(spec.uplink === 'nat' ? [`route add default via ${spec.host.host} dev host`] : []),
    ...spec.nodes.flatMap((node) => fabricSideOfNode(spec, node)),
    ...spec.clients.flatMap((client) => fabricSideOfClient(spec, client)),
  ];
  await runInNetns(
    fabricNetns(spec.prefix),
    [
      routerSettings(spec),
      tellEverybody(spec),
      feed('ip -batch -', lines.join('\n')),
      feed('nft -f -', fabricRules(spec)),
    ].join('\n'),
  );
}

function fabricSideOfNode(spec: FabricSpec, node: NodeLink): string[] {
  return fabricSide(nodeInterface(node.name), linksOf(node, spec.fabric, spec.ipv6?.fabric));
}

function fabricSideOfClient(spec: FabricSpec, client: ClientLink): string[] {
  return fabricSide(clientInterface(client.name), linksOf(client, spec.clientGateway, spec.ipv6?.clientGateway));
}

/**
 * A link as a cloud gives it: one address on each side, and a route to the other. Who sends to one that is gone hears so
 * after three questions, 50 ms each (RFC 1812 §5.2.7.1; the kernel waits a second for each): a proxy then asks another.
 * Of what comes meanwhile 1,000 packets wait; the kernel's own 100 are too few, and it drops the oldest without a word.
 */
export function fabricSide(device: string, links: readonly AddressPair[]): string[] {
  return [
    `link set ${device} up`,
    ...links.flatMap(({ gateway, address }) => [
      `addr add ${alone(gateway)} dev ${device}`,
      `route add ${address} dev ${device}`,
      `ntable change name ${address.includes(':') ? 'ndisc' : 'arp'}_cache dev ${device} retrans 50 queue 1000`,
    ]),
  ];
}

/** A gateway and who is behind it, in one family. */
export interface AddressPair {
  readonly gateway: string;
  readonly address: string;
}

function linksOf(far: NodeLink | ClientLink, gateway: string, gateway6: string | undefined): AddressPair[] {
  const ipv4 = { gateway, address: far.address };
  return gateway6 && far.ipv6 ? [ipv4, { gateway: gateway6, address: far.ipv6 }] : [ipv4];
}

/** An address without a network around it. Nobody else is on the link: no search for duplicates, which takes a second. */
export function alone(address: string): string {
  return address.includes(':') ? `${address}/128 nodad` : `${address}/32`;
}

async function configureNode(spec: FabricSpec, node: NodeLink): Promise<void> {
  const lines = farSide(linksOf(node, spec.fabric, spec.ipv6?.fabric)).join('\n');
  await runInNetns(nodeNetns(spec.prefix, node.name), [routerSettings(spec), feed('ip -batch -', lines)].join('\n'));
}

async function configureClient(spec: FabricSpec, client: ClientLink): Promise<void> {
  const lines = farSide(linksOf(client, spec.clientGateway, spec.ipv6?.clientGateway));
  await ipBatch(lines, clientNetns(spec.prefix, client.name));
}

/** The other side of it: all ways lead to the gateway. */
export function farSide(links: readonly AddressPair[]): string[] {
  return [
    'link set lo up',
    'link set eth0 up',
    ...links.flatMap(({ gateway, address }) => [
      `addr replace ${alone(address)} dev eth0`,
      `route replace default via ${gateway} dev eth0 onlink`,
    ]),
  ];
}

/** Forward, accept asymmetric ways, and tell nobody of shorter ones: all links share one router. */
function routerSettings({ ipv6 }: FabricSpec): string {
  return [
    'echo 1 > /proc/sys/net/ipv4/ip_forward',
    setForAllInterfaces('ipv4', 'rp_filter', 0),
    setForAllInterfaces('ipv4', 'send_redirects', 0),
    ...(ipv6 ? [setForAllInterfaces('ipv6', 'accept_dad', 0), setForAllInterfaces('ipv6', 'forwarding', 1)] : []),
  ].join('\n');
}

/**
 * That a node is gone is told to all who ask it, as often as they do: no kind of ICMP error is limited, neither for each
 * of them (`icmp_ratelimit`) nor for all together (`icmp_msgs_burst`, which is 50).
 */
function tellEverybody({ ipv6 }: FabricSpec): string {
  const ipv4 = 'echo 0 > /proc/sys/net/ipv4/icmp_ratemask';
  return ipv6 ? `${ipv4}\necho > /proc/sys/net/ipv6/icmp/ratemask` : ipv4;
}

function hash(text: string): string {
  return createHash('sha256').update(text).digest('hex').slice(0, 12);
}
