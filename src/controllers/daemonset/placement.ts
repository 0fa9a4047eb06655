import { compileNodeSelector } from '../../api/node-selectors.ts';
import type { DaemonSet, Node, Pod, PodSpec, Toleration } from '../../api/types.ts';
import { matchesLabels } from '../labels.ts';
import { tolerates } from '../tolerations.ts';

/** A daemon stays on a node that is in trouble: it may be what mends it. */
const own: readonly Toleration[] = [
  { key: 'node.kubernetes.io/not-ready', operator: 'Exists', effect: 'NoExecute' },
  { key: 'node.kubernetes.io/unreachable', operator: 'Exists', effect: 'NoExecute' },
  { key: 'node.kubernetes.io/disk-pressure', operator: 'Exists', effect: 'NoSchedule' },
  { key: 'node.kubernetes.io/memory-pressure', operator: 'Exists', effect: 'NoSchedule' },
  { key: 'node.kubernetes.io/pid-pressure', operator: 'Exists', effect: 'NoSchedule' },
  { key: 'node.kubernetes.io/unschedulable', operator: 'Exists', effect: 'NoSchedule' },
];
const hostNetworkOnly: Toleration = {
  key: 'node.kubernetes.io/network-unavailable',
  operator: 'Exists',
  effect: 'NoSchedule',
};

export function tolerationsOf(spec: PodSpec | undefined): Toleration[] {
  return [...(spec?.tolerations ?? []), ...own, ...(spec?.hostNetwork ? [hostNetworkOnly] : [])];
}

/** Whether a set's pod belongs on a node, and whether one that is there may stay. */
export function placementOn(node: Node, set: DaemonSet): { readonly run: boolean; readonly stay: boolean } {
  const spec = set.spec?.template?.spec;
  const selector = spec?.affinity?.nodeAffinity?.requiredDuringSchedulingIgnoredDuringExecution;
  const named = !spec?.nodeName || spec.nodeName === node.metadata?.name;
  const selected = matchesLabels(spec?.nodeSelector ?? {}, node.metadata?.labels);
  if (!named || !selected || (selector && !compileNodeSelector(selector)(node))) return { run: false, stay: false };
  const tolerations = tolerationsOf(spec);
  const refused = (node.spec?.taints ?? []).filter((taint) => !tolerations.some((each) => tolerates(each, taint)));
  return {
    run: refused.every(({ effect }) => effect === 'PreferNoSchedule'),
    stay: refused.every(({ effect }) => effect !== 'NoExecute'),
  };
}

const NAME_FIELD = 'metadata.name';

/** The pod's affinity with its node in it: the scheduler binds it there, or says why it cannot. */
export function affinityFor(node: string, affinity: PodSpec['affinity']): PodSpec['affinity'] {
  const matchFields = [{ key: NAME_FIELD, operator: 'In', values: [node] }];
  const terms = affinity?.nodeAffinity?.requiredDuringSchedulingIgnoredDuringExecution?.nodeSelectorTerms ?? [{}];
  return {
    ...affinity,
    nodeAffinity: {
      ...affinity?.nodeAffinity,
      requiredDuringSchedulingIgnoredDuringExecution: {
        nodeSelectorTerms: terms.map((term) => ({ ...term, matchFields })),
      },
    },
  };
}

/** The node that a daemon's pod is on or meant for. */
export function nodeOf(pod: Pod): string {
  const terms = pod.spec?.affinity?.nodeAffinity?.requiredDuringSchedulingIgnoredDuringExecution?.nodeSelectorTerms;
  const field = terms?.[0]?.matchFields?.find(({ key }) => key === NAME_FIELD);
  return pod.spec?.nodeName || field?.values?.[0] || '';
}
