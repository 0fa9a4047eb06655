import { compileLabelSelector, formatLabelSelector, type LabelMatcher } from '../api/selectors.ts';
import type { LabelSelector, Labels, NetworkPolicy } from '../api/types.ts';
import { familyOf } from '../base/cidr.ts';
import { canonicalPrefix } from '../base/prefixes.ts';
import {
  ALL_PORTS,
  type Direction,
  type PeerPlan,
  type PolicyEntry,
  type PortPlan,
  type Protocol,
  type RulePlan,
} from './plan.ts';
import type { PodFacts } from './pod-facts.ts';

type Spec = NonNullable<NetworkPolicy['spec']>;
type Peer = NonNullable<NonNullable<Spec['ingress']>[number]['from']>[number];
type Port = NonNullable<NonNullable<Spec['ingress']>[number]['ports']>[number];

/** What a set of a plan holds: the elements that one pod has in it. */
export interface SetSource {
  readonly kind: 'pods' | 'ports';
  readonly key: string;
  readonly label: string;
  /** Only pods of this namespace can be in it; left out: of any. */
  readonly namespace?: string;
  elementsOf(pod: PodFacts, namespaceLabels: Labels | undefined): readonly string[];
}

/** A NetworkPolicy made ready: whom it selects, what it admits, and the sets that its rules need. */
export interface CompiledPolicy {
  readonly key: string;
  readonly namespace: string;
  readonly selects: LabelMatcher;
  readonly entry: PolicyEntry;
  readonly sets: ReadonlyMap<string, SetSource>;
}

/**
 * Reads networking.k8s.io/v1. Defaults as Kubernetes': without `policyTypes` a policy is of Ingress, and of Egress if
 * it has egress rules. Throws `BAD_LABEL_SELECTOR`.
 */
export function compilePolicy(policy: NetworkPolicy): CompiledPolicy {
  const { namespace = '', name = '' } = policy.metadata ?? {};
  const { podSelector = {}, ingress = [], egress = [], policyTypes } = policy.spec ?? {};
  const types = policyTypes?.length ? policyTypes : egress.length > 0 ? ['Ingress', 'Egress'] : ['Ingress'];
  const key = `${namespace}/${name}`;
  const sets = new Map<string, SetSource>();
  const context: Context = {
    namespace,
    use(source) {
      sets.set(source.key, source);
      return source.key;
    },
  };
  const entry: PolicyEntry = {
    key,
    ...(types.includes('Ingress')
      ? { ingress: ingress.map((rule) => compileRule(rule.from, rule.ports, 'ingress', context)) }
      : {}),
    ...(types.includes('Egress')
      ? { egress: egress.map((rule) => compileRule(rule.to, rule.ports, 'egress', context)) }
      : {}),
  };
  return { key, namespace, selects: compileLabelSelector(podSelector).matches, entry, sets };
}

interface Context {
  readonly namespace: string;
  use(source: SetSource): string;
}

/** A list that is empty or not there means everybody, or every port. */
function compileRule(
  peers: readonly Peer[] | undefined,
  ports: readonly Port[] | undefined,
  direction: Direction,
  context: Context,
): RulePlan {
  return {
    peers: peers?.length ? peers.flatMap((peer) => compilePeer(peer, context)) : 'anyone',
    ports: ports?.length ? ports.map((port) => compilePort(port, direction, context)) : 'any',
  };
}

function compilePeer(peer: Peer, context: Context): PeerPlan[] {
  if (peer.ipBlock) {
    const cidr = canonicalPrefix(peer.ipBlock.cidr);
    if (cidr === undefined) return []; // a peer that cannot be read admits nobody
    const except = (peer.ipBlock.except ?? []).flatMap((each) => canonicalPrefix(each) ?? []);
    return [{ kind: 'block', family: familyOf(cidr), cidr, except }];
  }
  if (!peer.podSelector && !peer.namespaceSelector) return [];
  return [{ kind: 'pods', set: context.use(podSet(peer.podSelector, peer.namespaceSelector, context.namespace)) }];
}

function podSet(
  podSelector: LabelSelector | undefined,
  namespaceSelector: LabelSelector | undefined,
  ownNamespace: string,
): SetSource {
  const pods = compileLabelSelector(podSelector ?? {});
  const podsText = formatLabelSelector(pods) || 'all pods';
  if (!namespaceSelector) {
    return {
      kind: 'pods',
      key: `pods ${ownNamespace} ${podsText}`,
      label: `${ownNamespace}: ${podsText}`,
      namespace: ownNamespace,
      elementsOf: (pod) => (pods.matches(pod.labels) ? pod.addresses : []),
    };
  }
  const namespaces = compileLabelSelector(namespaceSelector);
  const namespacesText = formatLabelSelector(namespaces);
  return {
    kind: 'pods',
    key: `pods of (${namespacesText}) ${podsText}`,
    label: `${namespacesText === '' ? 'all namespaces' : `namespaces with ${namespacesText}`}: ${podsText}`,
    elementsOf: (pod, labels) => (namespaces.matches(labels) && pods.matches(pod.labels) ? pod.addresses : []),
  };
}

function compilePort(
  { protocol: written = 'TCP', port, endPort }: Port,
  direction: Direction,
  context: Context,
): PortPlan {
  const protocol = written.toLowerCase() as Protocol;
  if (port === undefined || port === null) return { kind: 'numbers', protocol, ...ALL_PORTS };
  if (typeof port === 'number') return { kind: 'numbers', protocol, first: port, last: endPort ?? port };
  return { kind: 'name', protocol, name: port, set: context.use(portSet(port, protocol, direction)) };
}

/** Always of the packet's destination: with ingress that is a pod of this node, with egress any. */
function portSet(name: string, protocol: Protocol, direction: Direction): SetSource {
  const local = direction === 'ingress';
  return {
    kind: 'ports',
    key: `ports ${local ? 'here' : 'anywhere'} ${protocol} ${name}`,
    label: `${protocol} port ${name} of ${local ? "this node's pods" : 'all pods'}`,
    elementsOf: (pod) =>
      local && !pod.local
        ? []
        : pod.ports
            .filter((port) => port.name === name && port.protocol === protocol)
            .flatMap((port) => pod.addresses.map((address) => `${address} . ${port.number}`)),
  };
}
