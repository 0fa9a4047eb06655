import { familyOf } from '../base/cidr.ts';
import type { FlowFilter } from '../kernel/conntrack.ts';
import type { Destination, NodeFacts, PlanEntry, PortPlan, ServicePlan } from './plan.ts';

/**
 * UDP has no end of connection: a client that goes on sending keeps its translation for ever, also to a pod that is
 * gone. The plan says which translations an entry allows; those that it no longer allows are deleted.
 */
export function staleFlows(before: PlanEntry | undefined, after: PlanEntry | undefined, node: NodeFacts): FlowFilter[] {
  const now = flowsOf(after, node);
  const stale: FlowFilter[] = [];
  for (const [id, flow] of flowsOf(before, node)) if (!now.has(id)) stale.push(flow);
  // What was sent before there was a rule is tracked without a translation, and would never get one.
  const old = frontEndsOf(before, node);
  for (const [id, front] of frontEndsOf(after, node)) {
    if (!old.has(id)) stale.push({ ...front, replyAddress: front.address, replyPort: front.port });
  }
  return stale;
}

/** Flows in the kernel that go to a front end of the plan and not where the plan sends them. */
export function flowsAgainstPlan(tracked: Iterable<FlowFilter>, plan: ServicePlan, node: NodeFacts): FlowFilter[] {
  const fronts = new Set<string>();
  const allowed = new Set<string>();
  for (const entry of plan.values()) {
    for (const id of frontEndsOf(entry, node).keys()) fronts.add(id);
    for (const id of flowsOf(entry, node).keys()) allowed.add(id);
  }
  return [...tracked].filter((flow) => fronts.has(frontId(flow.address, flow.port)) && !allowed.has(flowId(flow)));
}

function flowsOf(entry: PlanEntry | undefined, node: NodeFacts): Map<string, FlowFilter> {
  const flows = new Map<string, FlowFilter>();
  for (const port of udpPorts(entry)) {
    for (const front of port.frontEnds) {
      for (const endpoint of endpointsBehind(port, [front.fromCluster, front.fromOutside])) {
        for (const address of addressesOf(front.address, port, node)) {
          const flow: FlowFilter = {
            protocol: 'udp',
            address,
            port: front.port,
            replyAddress: endpoint.address,
            replyPort: endpoint.port,
          };
          flows.set(flowId(flow), flow);
        }
      }
    }
  }
  return flows;
}

function frontEndsOf(entry: PlanEntry | undefined, node: NodeFacts) {
  const fronts = new Map<string, { protocol: 'udp'; address: string; port: number }>();
  for (const port of udpPorts(entry)) {
    for (const front of port.frontEnds) {
      for (const address of addressesOf(front.address, port, node)) {
        fronts.set(frontId(address, front.port), { protocol: 'udp', address, port: front.port });
      }
    }
  }
  return fronts;
}

function udpPorts(entry: PlanEntry | undefined): readonly PortPlan[] {
  return entry?.ports.filter((port) => port.protocol === 'udp') ?? [];
}

function endpointsBehind(port: PortPlan, destinations: readonly Destination[]) {
  return (['cluster', 'local'] as const)
    .filter((name) => destinations.includes(name))
    .flatMap((name) => port.pools[name] ?? []);
}

function addressesOf(address: string | undefined, port: PortPlan, node: NodeFacts): readonly string[] {
  return address !== undefined ? [address] : node.addresses.filter((a) => familyOf(a) === port.family);
}

const frontId = (address: string, port: number): string => `${address} ${port}`;
const flowId = (flow: FlowFilter): string => `${flow.address} ${flow.port} ${flow.replyAddress} ${flow.replyPort}`;
