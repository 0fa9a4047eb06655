import type { Cluster } from './cluster.ts';
import type { Rejection } from './framework.ts';
import type { Preemption } from './preemption.ts';

/** What the plugin DynamicResources has to say of a pod without resource claims, as kube-scheduler 1.36 prints it. */
const noClaims = 'no new claims to deallocate';

export const noNodes = 'no nodes available to schedule pods';

/** Why a pod found no node, in kube-scheduler's words: reasons with the number of nodes they apply to, and preemption. */
export function unschedulableMessage(
  cluster: Cluster,
  rejections: ReadonlyMap<string, Rejection>,
  preemption: Preemption,
): string {
  const total = cluster.nodes.length;
  if (total === 0) return noNodes;
  const ofPod = [...rejections.values()].find((rejected) => rejected.ofPod);
  if (ofPod) return `0/${total} nodes are available: ${ofPod.reasons.join(', ')}.${preemptionText(total, preemption)}`;
  const reasons = [...rejections.values()].flatMap((rejected) => rejected.reasons);
  return `${available(total, reasons)}.${preemptionText(total, preemption)}`;
}

function preemptionText(total: number, preemption: Preemption): string {
  if (preemption.kind === 'victims') return '';
  return ` ${noClaims}, preemption: ${preemption.kind === 'ineligible' ? preemption.message : `${available(total, preemption.reasons)}.`}`;
}

function available(total: number, reasons: readonly string[]): string {
  const counts = new Map<string, number>();
  for (const reason of reasons) counts.set(reason, (counts.get(reason) ?? 0) + 1);
  const texts = [...counts].map(([reason, count]) => `${count} ${reason}`).sort();
  return `0/${total} nodes are available: ${texts.join(', ')}`;
}
