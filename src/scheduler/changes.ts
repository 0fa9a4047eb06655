import { equal, type Json } from '../api/patch/json.ts';
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
  if (differentSpec(pod, old) || pod?.metadata?.deletionTimestamp !== old?.metadata?.deletionTimestamp)
    events.push('PodRemoved');
  return events;
}

/** Whether anything changed that scheduling looks at, of the pod itself. Its status is no such thing. */
export function changedForScheduling(pod: Pod, old: Pod): boolean {
  return (
    differentSpec(pod, old) ||
    differ(pod.metadata?.labels, old.metadata?.labels) ||
    pod.metadata?.deletionTimestamp !== old.metadata?.deletionTimestamp ||
    isPlaced(pod) !== isPlaced(old)
  );
}

function differ(a: unknown, b: unknown): boolean {
  return !equal(a as Json | undefined, b as Json | undefined);
}

/** All of a spec but its node has a generation, where the API server counts it. */
function differentSpec(pod: Pod | undefined, old: Pod | undefined): boolean {
  if (pod?.spec?.nodeName !== old?.spec?.nodeName) return true;
  const { generation, uid } = pod?.metadata ?? {};
  if (generation !== undefined && generation === old?.metadata?.generation && uid === old?.metadata?.uid) return false;
  return differ(pod?.spec, old?.spec);
}
