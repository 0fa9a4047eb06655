import type { EndpointSlice, ServicePort } from '../api/types.ts';
import { canonicalAddress } from '../base/prefixes.ts';
import type { Family, NodeFacts, PlannedEndpoint } from './plan.ts';

/** An endpoint with what decides whether it is used. */
export interface Candidate {
  readonly endpoint: PlannedEndpoint;
  readonly ready: boolean;
  /** Serves while it terminates: used where nothing is ready (KEP-1669). */
  readonly lastResort: boolean;
  readonly hints: EndpointHints | undefined;
}

type SliceEndpoint = NonNullable<EndpointSlice['endpoints']>[number];
type EndpointHints = NonNullable<SliceEndpoint['hints']>;

/** The endpoints of one Service port in one family, sorted by address, each once. */
export function candidatesOf(
  port: ServicePort,
  slices: readonly EndpointSlice[],
  family: Family,
  node: NodeFacts,
): Candidate[] {
  const found: Candidate[] = [];
  for (const slice of slices) {
    if (slice.addressType.toLowerCase() !== family) continue;
    const number = slice.ports?.find(
      (p) => (p.name ?? '') === (port.name ?? '') && (p.protocol ?? 'TCP') === (port.protocol ?? 'TCP'),
    )?.port;
    if (number === undefined) continue;
    for (const endpoint of slice.endpoints ?? []) {
      const candidate = candidateOf(endpoint, number, node);
      if (candidate) found.push(candidate);
    }
  }
  found.sort(byAddressAndNews);
  // While an address moves between slices it is in two of them; the better news wins.
  return found.filter((candidate, index) => !isSameEndpoint(candidate, found[index + 1]));
}

function candidateOf(endpoint: SliceEndpoint, port: number, node: NodeFacts): Candidate | undefined {
  const address = canonicalAddress(endpoint.addresses[0] ?? '');
  if (address === undefined) return undefined;
  const { nodeName, targetRef, conditions, hints } = endpoint;
  const { ready = true, serving = ready, terminating = false } = conditions ?? {};
  const target = targetRef && `${targetRef.namespace}/${targetRef.name}`;
  return {
    endpoint: { address, port, local: nodeName === node.name, nodeName, target },
    ready,
    lastResort: serving && terminating,
    hints,
  };
}

function rank(candidate: Candidate): number {
  return candidate.ready ? 2 : candidate.lastResort ? 1 : 0;
}

function byAddressAndNews(a: Candidate, b: Candidate): number {
  if (a.endpoint.address !== b.endpoint.address) return a.endpoint.address < b.endpoint.address ? -1 : 1;
  return a.endpoint.port - b.endpoint.port || rank(a) - rank(b);
}

function isSameEndpoint(a: Candidate, b: Candidate | undefined): boolean {
  return a.endpoint.address === b?.endpoint.address && a.endpoint.port === b.endpoint.port;
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
  const localReady = ready.filter((c) => c.endpoint.local);
  const local = localReady.length > 0 ? localReady : candidates.filter((c) => c.endpoint.local && c.lastResort);
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
  if (ready.every((c) => c.hints?.forNodes?.length)) {
    const forNode = ready.filter((c) => c.hints?.forNodes?.some(({ name }) => name === node.name));
    if (forNode.length > 0) return forNode;
  }
  if (node.zone === undefined || !ready.every((c) => c.hints?.forZones?.length)) return ready;
  const forZone = ready.filter((c) => c.hints?.forZones?.some(({ name }) => name === node.zone));
  return forZone.length > 0 ? forZone : ready;
}

function plain({ endpoint }: Candidate): PlannedEndpoint {
  return endpoint;
}
