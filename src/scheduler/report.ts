import type { Cluster } from './cluster.ts';
import type { Rejection } from './framework.ts';
import type { PodInfo } from './podinfo.ts';

export const noNodes = 'no nodes available to schedule pods';

/** Why a pod found no node, in kube-scheduler's words: reasons with the number of nodes they apply to, and preemption. */
export function unschedulableMessage(
  pod: PodInfo,
  cluster: Cluster,
  rejections: ReadonlyMap<string, Rejection>,
): string {
  const total = cluster.nodes.length;
  if (total === 0) return noNodes;
  const reasons = [...rejections.values()].flatMap((rejected) => rejected.reasons);
  const preemption = pod.pod.spec?.preemptionPolicy === 'Never' ? never : preemptionText(pod, cluster, rejections);
  return `${available(total, reasons)}. preemption: ${preemption}`;
}

const never = 'not eligible due to preemptionPolicy=Never.';

function preemptionText(pod: PodInfo, cluster: Cluster, rejections: ReadonlyMap<string, Rejection>): string {
  const reasons = [...rejections].map(([name, { unresolvable }]) => {
    if (unresolvable) return 'Preemption is not helpful for scheduling';
    return hasLowerPriority(pod, cluster, name)
      ? 'Preemption is not done by this scheduler yet'
      : 'No preemption victims found for incoming pod';
  });
  return `${available(cluster.nodes.length, reasons)}.`;
}

function hasLowerPriority(pod: PodInfo, cluster: Cluster, node: string): boolean {
  for (const other of cluster.node(node)?.pods.values() ?? []) if (other.priority < pod.priority) return true;
  return false;
}

function available(total: number, reasons: readonly string[]): string {
  const counts = new Map<string, number>();
  for (const reason of reasons) counts.set(reason, (counts.get(reason) ?? 0) + 1);
  const texts = [...counts].map(([reason, count]) => `${count} ${reason}`).sort();
  return `0/${total} nodes are available: ${texts.join(', ')}`;
}
