import { type FilterPlugin, maxScore, type Rejection, rejection, type ScorePlugin } from '../framework.ts';
import type { NodeInfo } from '../nodeinfo.ts';
import type { PodInfo } from '../podinfo.ts';
import type { Amounts } from '../resources.ts';

const name = 'NodeResourcesFit';

/** A node must have what the pod requests, and room for one more pod. */
export const nodeResourcesFit: FilterPlugin = {
  name,
  wokenBy: ['NodeAdded', 'NodeAllocatable', 'PodRemoved'],
  filter: roomFor,
};

/** Whether the node has what the pod requests. */
export const hasRoom = (pod: PodInfo, node: NodeInfo): boolean => roomFor(pod)(node) === undefined;

function roomFor({ requests }: PodInfo): (node: NodeInfo) => Rejection | undefined {
  const { cpu, memory, hasOthers } = requests.amounts;
  return (node) => {
    const { allocatable, requested } = node;
    const fits =
      !hasOthers &&
      cpu <= allocatable.cpu - requested.cpu &&
      memory <= allocatable.memory - requested.memory &&
      node.pods.size < allocatable.get('pods');
    return fits ? undefined : lacks(node, requests.amounts);
  };
}

/** All that a node has too little of. */
function lacks(node: NodeInfo, wanted: Amounts): Rejection | undefined {
  const reasons: string[] = [];
  let unresolvable = false;
  if (node.pods.size + 1 > node.allocatable.get('pods')) reasons.push('Too many pods');
  for (const [resource, amount] of wanted) {
    const allocatable = node.allocatable.get(resource);
    if (amount <= 0 || amount <= allocatable - node.requested.get(resource)) continue;
    reasons.push(`Insufficient ${resource}`);
    if (amount > allocatable) unresolvable = true;
  }
  return reasons.length > 0 ? rejection(unresolvable, ...reasons) : undefined;
}

/** Prefers nodes with more left over (LeastAllocated over cpu and memory). */
export const leastAllocated: ScorePlugin = {
  name,
  weight: 1,
  score({ requests: { scored } }) {
    return (node) => {
      let sum = 0;
      let counted = 0;
      for (const resource of scoredResources) {
        const allocatable = node.allocatable[resource];
        if (allocatable === 0) continue;
        counted++;
        const left = allocatable - node.scored[resource] - scored[resource];
        if (left > 0) sum += Math.floor((left * maxScore) / allocatable);
      }
      return counted === 0 ? 0 : Math.floor(sum / counted);
    };
  },
};

const scoredResources = ['cpu', 'memory'] as const;

/** Prefers nodes whose cpu and memory would be used evenly. */
export const balancedAllocation: ScorePlugin = {
  name: 'NodeResourcesBalancedAllocation',
  weight: 1,
  score(pod) {
    // A pod that requests nothing changes no balance.
    if (pod.requests.amounts.cpu === 0 && pod.requests.amounts.memory === 0) return undefined;
    return (node) => {
      const cpu = fraction(node, pod, 'cpu');
      const memory = fraction(node, pod, 'memory');
      if (cpu === undefined || memory === undefined) return maxScore;
      return Math.floor((1 - Math.abs(cpu - memory) / 2) * maxScore);
    };
  },
};

function fraction(node: NodeInfo, pod: PodInfo, resource: 'cpu' | 'memory'): number | undefined {
  const allocatable = node.allocatable[resource];
  if (allocatable === 0) return undefined;
  const requested = node.requested[resource] + pod.requests.amounts[resource];
  return Math.min(1, requested / allocatable);
}
