import type { Container, Labels, Pod } from '../api/types.ts';
import { canonicalAddress } from '../base/prefixes.ts';
import type { PolicyNode, Protocol } from './plan.ts';

/** What policies look at in a pod. */
export interface PodFacts {
  readonly key: string;
  readonly namespace: string;
  readonly labels: Labels;
  readonly addresses: readonly string[];
  /** Ports that have a name. */
  readonly ports: readonly { readonly name: string; readonly protocol: Protocol; readonly number: number }[];
  /** On the plan's node. */
  readonly local: boolean;
  /** RFC 3339: of two pods with one address the younger has it, the other is gone or will be soon. */
  readonly createdAt: string;
}

/**
 * `undefined` for a pod that no policy knows: it has no address yet, is over, or shares its node's network (policies
 * then see the node, as Kubernetes leaves open and most do).
 */
export function podFacts(pod: Pod, node: PolicyNode): PodFacts | undefined {
  const { namespace = '', name = '', labels = {}, creationTimestamp = '' } = pod.metadata ?? {};
  const phase = pod.status?.phase;
  if (pod.spec?.hostNetwork || phase === 'Succeeded' || phase === 'Failed') return undefined;
  const addresses = (pod.status?.podIPs ?? [{ ip: pod.status?.podIP ?? '' }]).flatMap(
    ({ ip }) => canonicalAddress(ip ?? '') ?? [],
  );
  if (addresses.length === 0) return undefined;
  return {
    key: `${namespace}/${name}`,
    namespace,
    labels,
    addresses,
    ports: namedPorts(pod),
    local: pod.spec?.nodeName === node.name,
    createdAt: creationTimestamp,
  };
}

function namedPorts(pod: Pod): PodFacts['ports'] {
  const sidecars = (pod.spec?.initContainers ?? []).filter((container) => container.restartPolicy === 'Always');
  return [...(pod.spec?.containers ?? []), ...sidecars]
    .flatMap((container) => container.ports ?? [])
    .flatMap(({ name, protocol = 'TCP', containerPort }) =>
      name ? [{ name, protocol: protocol.toLowerCase() as Protocol, number: containerPort }] : [],
    );
}

/** What of a pod {@link podFacts} reads, and who it is: of all pods of a cluster nothing else is kept. */
export function partOfPod({ metadata, spec, status }: Pod): Pod {
  const { name, namespace, uid, labels, creationTimestamp, resourceVersion } = metadata ?? {};
  const portsOf = (containers: readonly Container[]) =>
    containers.flatMap(({ name, image, restartPolicy, ports }) => {
      const named = ports?.filter((port) => port.name);
      return named?.length ? [{ name, image, restartPolicy, ports: named }] : [];
    });
  return {
    metadata: { name, namespace, uid, labels, creationTimestamp, resourceVersion },
    spec: {
      nodeName: spec?.nodeName,
      hostNetwork: spec?.hostNetwork,
      containers: portsOf(spec?.containers ?? []),
      initContainers: portsOf(spec?.initContainers ?? []),
    },
    status: { phase: status?.phase, podIP: status?.podIP, podIPs: status?.podIPs },
  };
}
