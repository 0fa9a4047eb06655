import type * as k8s from '@kubernetes/client-node';
import type { LabelSelector, Labels, Pod, Wire } from '../api/types.ts';
import { type PodRequests, podRequests } from './resources.ts';
import { labelTest } from './selectors.ts';

type WireTerm = Wire<k8s.V1PodAffinityTerm>;

export interface HostPort {
  readonly ip: string;
  readonly protocol: string;
  readonly port: number;
}

/** A term of pod affinity or anti-affinity, ready to be asked. */
export interface AffinityTerm {
  /** Terms with one key mean the same. */
  readonly key: string;
  readonly topologyKey: string;
  /** 0 for a required term. */
  readonly weight: number;
  matches(pod: PodInfo, namespaceLabels: (namespace: string) => Labels): boolean;
}

/** A pod with what scheduling wants to know of it, worked out once. */
export interface PodInfo {
  readonly pod: Pod;
  readonly uid: string;
  readonly namespace: string;
  readonly name: string;
  readonly labels: Labels;
  readonly priority: number;
  readonly terminating: boolean;
  readonly requests: PodRequests;
  readonly hostPorts: readonly HostPort[];
  readonly affinity: readonly AffinityTerm[];
  readonly antiAffinity: readonly AffinityTerm[];
  readonly preferredAffinity: readonly AffinityTerm[];
  /** Weights are negative. */
  readonly preferredAntiAffinity: readonly AffinityTerm[];
}

export function podInfo(pod: Pod): PodInfo {
  const { metadata, spec } = pod;
  const { podAffinity, podAntiAffinity } = spec?.affinity ?? {};
  const namespace = metadata?.namespace ?? '';
  const labels = metadata?.labels ?? {};
  const required = (terms: readonly WireTerm[] | undefined) =>
    (terms ?? []).map((term) => affinityTerm(term, namespace, labels, 0));
  const preferred = (terms: readonly Wire<k8s.V1WeightedPodAffinityTerm>[] | undefined, sign: 1 | -1) =>
    (terms ?? []).map((term) => affinityTerm(term.podAffinityTerm, namespace, labels, sign * term.weight));
  return {
    pod,
    uid: metadata?.uid ?? `${namespace}/${metadata?.name}`,
    namespace,
    name: metadata?.name ?? '',
    labels,
    priority: spec?.priority ?? 0,
    terminating: metadata?.deletionTimestamp !== undefined,
    requests: podRequests(spec),
    hostPorts: hostPorts(pod),
    affinity: required(podAffinity?.requiredDuringSchedulingIgnoredDuringExecution),
    antiAffinity: required(podAntiAffinity?.requiredDuringSchedulingIgnoredDuringExecution),
    preferredAffinity: preferred(podAffinity?.preferredDuringSchedulingIgnoredDuringExecution, 1),
    preferredAntiAffinity: preferred(podAntiAffinity?.preferredDuringSchedulingIgnoredDuringExecution, -1),
  };
}

function hostPorts(pod: Pod): HostPort[] {
  const sidecars = (pod.spec?.initContainers ?? []).filter(({ restartPolicy }) => restartPolicy === 'Always');
  return [...(pod.spec?.containers ?? []), ...sidecars].flatMap((container) =>
    (container.ports ?? []).flatMap(({ hostPort, hostIP, protocol }) =>
      hostPort ? [{ ip: hostIP || '0.0.0.0', protocol: protocol ?? 'TCP', port: hostPort }] : [],
    ),
  );
}

function affinityTerm(term: WireTerm, own: string, labels: Labels, weight: number): AffinityTerm {
  const selector = withLabelKeys(term.labelSelector, labels, term.matchLabelKeys, term.mismatchLabelKeys);
  // Without any namespaces named, the pod's own is meant.
  const names = term.namespaces?.length || term.namespaceSelector ? (term.namespaces ?? []) : [own];
  const byLabels = term.namespaceSelector ? labelTest(term.namespaceSelector) : undefined;
  const test = labelTest(selector);
  return {
    key: JSON.stringify([term.topologyKey, names, term.namespaceSelector, selector]),
    topologyKey: term.topologyKey,
    weight,
    matches: (pod, namespaceLabels) =>
      (names.includes(pod.namespace) || (byLabels?.(namespaceLabels(pod.namespace)) ?? false)) && test(pod.labels),
  };
}

/** `matchLabelKeys` and `mismatchLabelKeys`: the pod's own values of these labels join the selector (KEP-3633). */
export function withLabelKeys(
  selector: LabelSelector | undefined,
  labels: Labels,
  match: readonly string[] = [],
  mismatch: readonly string[] = [],
): LabelSelector | undefined {
  if (!selector) return undefined;
  const own = (keys: readonly string[], operator: string) =>
    keys.flatMap((key) => (labels[key] === undefined ? [] : [{ key, operator, values: [labels[key]] }]));
  const more = [...own(match, 'In'), ...own(mismatch, 'NotIn')];
  if (more.length === 0) return selector;
  return { ...selector, matchExpressions: [...(selector.matchExpressions ?? []), ...more] };
}
