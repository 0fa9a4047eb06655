import type { Node, Pod } from '../api/types.ts';
import type { ClusterEvent } from './framework.ts';

/** What a node's change may mean to waiting pods. */
export function nodeEvents(node: Node | undefined, old: Node | undefined): ClusterEvent[] {
  if (!node) return [];
  if (!old) return ['NodeAdded'];
  const events: ClusterEvent[] = [];
  if (differ(node.status?.allocatable, old.status?.allocatable)) events.push('NodeAllocatable');
  if (differ(node.metadata?.labels, old.metadata?.labels)) events.push('NodeLabels');
  if (differ(node.spec?.taints, old.spec?.taints) || node.spec?.unschedulable !== old.spec?.unschedulable)
    events.push('NodeTaints');
  return events;
}

/** Whether the pod is on a node and still takes its room there. */
export function isPlaced(pod: Pod | undefined): boolean {
  return Boolean(pod?.spec?.nodeName) && pod?.status?.phase !== 'Succeeded' && pod?.status?.phase !== 'Failed';
}

/** What a pod's change means to other pods, which wait. */
export function podEvents(pod: Pod | undefined, old: Pod | undefined): ClusterEvent[] {
  const [is, was] = [isPlaced(pod), isPlaced(old)];
  if (!is) return was ? ['PodRemoved'] : [];
  if (!was) return ['PodPlaced'];
  const events: ClusterEvent[] = [];
  if (differ(pod?.metadata?.labels, old?.metadata?.labels)) events.push('PodPlaced');
  if (differ(pod?.spec, old?.spec) || pod?.metadata?.deletionTimestamp !== old?.metadata?.deletionTimestamp)
    events.push('PodRemoved');
  return events;
}

/** Whether anything changed that scheduling looks at, of the pod itself. Its status is no such thing. */
export function changedForScheduling(pod: Pod, old: Pod): boolean {
  return (
    differ(pod.spec, old.spec) ||
    differ(pod.metadata?.labels, old.metadata?.labels) ||
    pod.metadata?.deletionTimestamp !== old.metadata?.deletionTimestamp ||
    isPlaced(pod) !== isPlaced(old)
  );
}

function differ(a: unknown, b: unknown): boolean {
  return a !== b && JSON.stringify(a) !== JSON.stringify(b);
}
