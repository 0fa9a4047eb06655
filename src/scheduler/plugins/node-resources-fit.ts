import { type FilterPlugin, maxScore, rejection, type ScorePlugin } from '../framework.ts';
import type { NodeInfo } from '../nodeinfo.ts';
import type { PodInfo } from '../podinfo.ts';

const name = 'NodeResourcesFit';

/** A node must have what the pod requests, and room for one more pod. */
export const nodeResourcesFit: FilterPlugin = {
  name,
  wokenBy: ['NodeAdded', 'NodeAllocatable', 'PodRemoved'],
  filter(pod) {
    const wanted = [...pod.requests.amounts].filter(([, amount]) => amount > 0);
    return (node) => {
      const reasons: string[] = [];
      let unresolvable = false;
      if (node.pods.size + 1 > (node.allocatable.get('pods') ?? 0)) reasons.push('Too many pods');
      for (const [resource, amount] of wanted) {
        const allocatable = node.allocatable.get(resource) ?? 0;
        if (amount <= allocatable - (node.requested.get(resource) ?? 0)) continue;
        reasons.push(`Insufficient ${resource}`);
        if (amount > allocatable) unresolvable = true;
      }
      return reasons.length > 0 ? rejection(unresolvable, ...reasons) : undefined;
    };
  },
};

/** Prefers nodes with more left over (LeastAllocated over cpu and memory). */
export const leastAllocated: ScorePlugin = {
  name,
  weight: 1,
  score({ requests: { scored } }) {
    return (node) => {
      let sum = 0;
      let counted = 0;
      for (const resource of scoredResources) {
        const allocatable = node.allocatable.get(resource) ?? 0;
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
    if (!pod.requests.amounts.get('cpu') && !pod.requests.amounts.get('memory')) return undefined;
    return (node) => {
      const cpu = fraction(node, pod, 'cpu');
      const memory = fraction(node, pod, 'memory');
      if (cpu === undefined || memory === undefined) return maxScore;
      return Math.floor((1 - Math.abs(cpu - memory) / 2) * maxScore);
    };
  },
};

function fraction(node: NodeInfo, pod: PodInfo, resource: string): number | undefined {
  const allocatable = node.allocatable.get(resource) ?? 0;
  if (allocatable === 0) return undefined;
  const requested = (node.requested.get(resource) ?? 0) + (pod.requests.amounts.get(resource) ?? 0);
  return Math.min(1, requested / allocatable);
}
