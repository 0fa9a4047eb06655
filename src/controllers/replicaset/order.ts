import type { Pod } from '../../api/types.ts';
import { isReady, podCondition } from '../pods.ts';

const DELETION_COST = 'controller.kubernetes.io/pod-deletion-cost';
const phaseRanks: Readonly<Record<string, number>> = { Pending: 0, Unknown: 1, Running: 2 };

/**
 * The order in which a controller gives up pods (kube-controller-manager's `ActivePodsWithRanks`): without a node,
 * pending, not ready, lower deletion cost, more of its kind on the node, ready for a shorter time, more restarts,
 * younger. Times compare on a logarithmic scale (KEP-2185), so that age matters less among old pods.
 */
export function deletionOrder(pods: readonly Pod[], countOn: (node: string) => number, now: number): Pod[] {
  const counts = new Map<string, number>();
  const crowd = (node: string): number => {
    const count = counts.get(node) ?? countOn(node);
    counts.set(node, count);
    return count;
  };
  const ranked = pods.map((pod) => ({ pod, rank: rankOf(pod, crowd, now) }));
  ranked.sort((a, b) => compare(a.rank, b.rank));
  return ranked.map(({ pod }) => pod);
}

/** Smaller goes first, the first difference decides. */
function rankOf(pod: Pod, crowd: (node: string) => number, now: number): readonly (number | string)[] {
  const node = pod.spec?.nodeName ?? '';
  const ready = isReady(pod);
  const restarts = Math.max(0, ...(pod.status?.containerStatuses ?? []).map((container) => container.restartCount));
  return [
    node === '' ? 0 : 1,
    phaseRanks[pod.status?.phase ?? 'Pending'] ?? 0,
    ready ? 1 : 0,
    Number(pod.metadata?.annotations?.[DELETION_COST] ?? 0) || 0,
    -crowd(node),
    ready ? ageRank(podCondition(pod, 'Ready')?.lastTransitionTime, now) : 0,
    -restarts,
    ageRank(pod.metadata?.creationTimestamp, now),
    pod.metadata?.uid ?? '',
  ];
}

function ageRank(time: string | undefined, now: number): number {
  if (!time) return 0;
  const ns = (now - Date.parse(time)) * 1e6;
  return ns <= 0 ? 0 : Math.floor(Math.log2(ns));
}

function compare(a: readonly (number | string)[], b: readonly (number | string)[]): number {
  const at = a.findIndex((value, index) => value !== b[index]);
  const left = a[at];
  const right = b[at];
  return left === undefined || right === undefined ? 0 : left < right ? -1 : 1;
}
