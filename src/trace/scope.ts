import { familyOf } from '../base/cidr.ts';
import { TRACE_DSCP } from '../kernel/nft-trace.ts';
import { VXLAN_PORT } from '../kernel/packet.ts';
import { type Flow, formatEndpoint, formatPlace, type Hop, type Place, type Tuple, type Way } from './model.ts';
import { predict } from './predict/predict.ts';
import { frontEndOf } from './predict/services.ts';
import type { Choices } from './predict/step.ts';
import type { Atlas } from './world.ts';

/** Where a flow may go, before it goes: what is watched, and which packets are looked at. */

/** The most endpoints that are watched; of the others the node's side of the link tells. */
const MAX_ENDPOINTS = 24;
/** The load balancer's choice is known but for health checks that fail: that many other nodes are watched too. */
const MAX_NODES = 4;

/** The way that the plans give the flow, and those that it may take by another choice. */
export function possibleWays(atlas: Atlas, flow: Flow): Way[] {
  const virtual = atlas.loadBalancers.addresses.find(({ address }) => address === flow.packet.destination);
  const nodes = virtual?.nodes.slice(0, MAX_NODES) ?? [];
  return [undefined, ...nodes].flatMap((node) => waysTo(atlas, flow, node)).slice(0, MAX_ENDPOINTS);
}

function waysTo(atlas: Atlas, flow: Flow, node: string | undefined): Way[] {
  const choices: Choices = node === undefined ? {} : { node };
  const first = predict(atlas, flow, choices);
  const pools = first.request.flatMap(({ place, in: comes, events }) => {
    if (place.kind !== 'node' || !events.some(({ kind }) => kind === 'dnat')) return [];
    return frontEndOf(atlas, place.name, comes?.packet ?? flow.packet)?.pool ?? [];
  });
  const others = pools.map(({ address, port }) => formatEndpoint(address, port));
  return [first, ...others.slice(1).map((endpoint) => predict(atlas, flow, { ...choices, endpoint }))];
}

export function placesOf(from: Place, ways: readonly Way[]): Place[] {
  const all = [from, ...ways.flatMap(({ request, reply }) => [...request, ...reply].map(({ place }) => place))];
  const byName = new Map(all.map((place) => [formatPlace(place), place]));
  return [...byName.values()].filter(({ kind }) => kind !== 'outside');
}

/** Where the packet may be led to. */
export function targetsOf(ways: readonly Way[]): { address: string; port: number }[] {
  return ways.flatMap(({ request }) =>
    request.flatMap(packetsOf).map(({ destination: address, destinationPort: port }) => ({ address, port })),
  );
}

/** The addresses that ways begin at. */
export const sourcesOf = (ways: readonly Way[]): string[] => [
  ...new Set(
    ways.flatMap(({ request }) =>
      request
        .slice(0, 1)
        .flatMap(packetsOf)
        .map(({ source }) => source),
    ),
  ),
];

/** Of a tunnel's packet what it carries: that is the flow's. */
const packetsOf = ({ in: comes, out: leaves }: Hop): Tuple[] =>
  [comes, leaves].flatMap((each) => each?.inner ?? each?.packet ?? []);

/**
 * The probe's own ports say which packets are its; beyond an SNAT, the addresses that it is led to do. `proxies` pass
 * the request on, from ports of their own.
 */
export function filterOf(flows: readonly Flow[], ways: readonly Way[], proxies: readonly string[] = []): string {
  const [first] = flows;
  if (!first) return 'less 0';
  const hidden = ways.flatMap(({ request }) => {
    const at = request.findIndex(({ events }) => events.some(({ kind }) => kind === 'snat'));
    return at < 0 ? [] : request.slice(at).flatMap(packetsOf);
  });
  const { protocol, source } = first.packet;
  if (protocol === 'icmp') {
    const hosts = new Set([source, ...hidden.map(({ destination }) => destination)]);
    const plain = `((icmp or icmp6) and (${[...hosts].map((host) => `host ${host}`).join(' or ')}))`;
    return [plain, ...insideTunnels(ways, [])].join(' or ');
  }
  const own = [
    ...flows.map(({ packet }) => `port ${packet.sourcePort}`),
    ...proxies.map((address) => `host ${address}`),
  ];
  const led = new Set(hidden.map((packet) => `(host ${packet.destination} and port ${packet.destinationPort})`));
  const ports = [...flows.map(({ packet }) => packet.sourcePort), ...hidden.map((packet) => packet.destinationPort)];
  const plain = `(${protocol} and (${[...own, ...led, ...MARKED].join(' or ')})) or ${ERRORS}`;
  return [plain, ...insideTunnels(ways, ports)].join(' or ');
}

/**
 * What goes with these ports, and every ICMP packet, inside of tunnels, where a way leads through some: behind the
 * outer UDP header are VXLAN's 8 bytes, an Ethernet header of 14, and an IP header without options.
 */
export function insideTunnels(ways: readonly Way[], ports: readonly number[]): string[] {
  const hops = ways.flatMap(({ request, reply }) => [...request, ...reply]);
  const carrier = hops.find(({ out }) => out?.inner !== undefined)?.out?.packet;
  if (!carrier) return [];
  // libpcap knows no `udp[…]` of IPv6: there it is what follows the 40 bytes of the outer header.
  const at = (offset: number, bytes = 1) =>
    familyOf(carrier.destination) === 'ipv4' ? `udp[${offset}:${bytes}]` : `ip6[${40 + offset}:${bytes}]`;
  const families = [
    { type: '0x0800', icmp: `${at(39)} == 1`, source: at(50, 2), destination: at(52, 2) },
    { type: '0x86dd', icmp: `${at(36)} == 58`, source: at(70, 2), destination: at(72, 2) },
  ];
  const meant = families.map(({ type, icmp, source, destination }) => {
    const either = [...new Set(ports)].flatMap((port) => [`${source} == ${port}`, `${destination} == ${port}`]);
    return `(${at(28, 2)} == ${type} and (${[icmp, ...either].join(' or ')}))`;
  });
  return [`(udp dst port ${VXLAN_PORT} and (${meant.join(' or ')}))`];
}

/** What goes between two addresses, whichever port it comes from, and what becomes of it beyond an SNAT. */
export function filterBetween({ protocol, source, destination, destinationPort }: Tuple, ways: readonly Way[]): string {
  const led = ways.flatMap(({ request }) => request.flatMap(packetsOf));
  const places = new Set(led.map((packet) => `(host ${packet.destination} and port ${packet.destinationPort})`));
  if (protocol === 'icmp') return [`((icmp or icmp6) and host ${source})`, ...insideTunnels(ways, [])].join(' or ');
  const own = `(host ${source} and host ${destination} and port ${destinationPort})`;
  const plain = `(${protocol} and (${[own, ...places].join(' or ')})) or ${ERRORS}`;
  return [plain, ...insideTunnels(ways, [destinationPort, ...led.map((packet) => packet.destinationPort)])].join(
    ' or ',
  );
}

/** By the DSCP that packets of the flow have beyond an SNAT, in both families. */
const MARKED = [`ip[1] & 0xfc == ${TRACE_DSCP << 2}`, `ip6[0:2] & 0x0fc0 == ${TRACE_DSCP << 6}`];

/** Unreachable, too big, time exceeded. */
const ERRORS =
  'icmp[icmptype] == icmp-unreach or icmp[icmptype] == icmp-timxceed or (icmp6 and ip6[40] >= 1 and ip6[40] <= 4)';
