import type { EndpointSlice, ServicePort } from '../api/types.ts';
import { canonicalAddress } from '../base/prefixes.ts';
import type { Family, NodeFacts, PlannedEndpoint } from './plan.ts';

/** An endpoint with what decides whether it is used. */
export interface Candidate extends PlannedEndpoint {
  readonly ready: boolean;
  /** Serves while it terminates: used where nothing is ready (KEP-1669). */
  readonly lastResort: boolean;
  readonly zones: readonly string[];
  readonly nodes: readonly string[];
}

/** The endpoints of one Service port in one family, sorted by address, each once. */
export function candidatesOf(
  port: ServicePort,
  slices: readonly EndpointSlice[],
  family: Family,
  node: NodeFacts,
): Candidate[] {
  const found = new Map<string, Candidate>();
  for (const slice of slices) {
    if (slice.addressType.toLowerCase() !== family) continue;
    const number = slice.ports?.find(
      (p) => (p.name ?? '') === (port.name ?? '') && (p.protocol ?? 'TCP') === (port.protocol ?? 'TCP'),
    )?.port;
    if (number === undefined) continue;
    for (const endpoint of slice.endpoints ?? []) {
      const candidate = candidateOf(endpoint, number, node);
      if (!candidate) continue;
      const id = `${candidate.address} ${candidate.port}`;
      // While an address moves between slices it is in two of them; the better news wins.
      if (rank(candidate) >= rank(found.get(id))) found.set(id, candidate);
    }
  }
  return [...found.values()].sort(byAddress);
}

function candidateOf(
  endpoint: NonNullable<EndpointSlice['endpoints']>[number],
  port: number,
  node: NodeFacts,
): Candidate | undefined {
  const address = canonicalAddress(endpoint.addresses[0] ?? '');
  if (address === undefined) return undefined;
  const { ready = true, serving = ready, terminating = false } = endpoint.conditions ?? {};
  return {
    address,
    port,
    local: endpoint.nodeName === node.name,
    nodeName: endpoint.nodeName,
    target: endpoint.targetRef && `${endpoint.targetRef.namespace}/${endpoint.targetRef.name}`,
    ready,
    lastResort: serving && terminating,
    zones: endpoint.hints?.forZones?.map((hint) => hint.name) ?? [],
    nodes: endpoint.hints?.forNodes?.map((hint) => hint.name) ?? [],
  };
}

function rank(candidate: Candidate | undefined): number {
  if (!candidate) return -1;
  return candidate.ready ? 2 : candidate.lastResort ? 1 : 0;
}

function byAddress(a: Candidate, b: Candidate): number {
  if (a.address !== b.address) return a.address < b.address ? -1 : 1;
  return a.port - b.port;
}

export interface Pools {
  /** For policy `Cluster`; follows topology hints. */
  readonly cluster: readonly PlannedEndpoint[];
  /** For policy `Local`. */
  readonly local: readonly PlannedEndpoint[];
  /** Some endpoint could serve, wherever it is: a `Local` policy without local endpoints then drops and not refuses. */
  readonly anywhere: boolean;
  /** Ready endpoints on this node, as load balancers' health checks count them. */
  readonly localReady: number;
}

/** Ready endpoints; where there is none, those that still serve while they terminate. */
export function poolsOf(candidates: readonly Candidate[], node: NodeFacts): Pools {
  const ready = candidates.filter((c) => c.ready);
  const all = ready.length > 0 ? ready : candidates.filter((c) => c.lastResort);
  const localReady = ready.filter((c) => c.local);
  const local = localReady.length > 0 ? localReady : candidates.filter((c) => c.local && c.lastResort);
  return {
    cluster: (ready.length > 0 ? nearest(ready, node) : all).map(plain),
    local: local.map(plain),
    anywhere: all.length > 0,
    localReady: localReady.length,
  };
}

/**
 * Topology hints are followed only where every ready endpoint has one and one of them is for this node or zone: half
 * written hints must not overload a zone (KEP-2433, KEP-3015).
 */
function nearest(ready: readonly Candidate[], node: NodeFacts): readonly Candidate[] {
  const forNode = ready.filter((c) => c.nodes.includes(node.name));
  if (forNode.length > 0 && ready.every((c) => c.nodes.length > 0)) return forNode;
  const zone = node.zone;
  if (zone === undefined) return ready;
  const forZone = ready.filter((c) => c.zones.includes(zone));
  return forZone.length > 0 && ready.every((c) => c.zones.length > 0) ? forZone : ready;
}

function plain({ address, port, local, nodeName, target }: Candidate): PlannedEndpoint {
  return { address, port, local, nodeName, target };
}
