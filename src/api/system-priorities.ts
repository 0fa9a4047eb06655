import type { PriorityClass } from './types.ts';

/** Classes that every cluster has, the more important one first. */
export const systemPriorityClasses = [
  {
    metadata: { name: 'system-node-critical' },
    value: 2_000_001_000,
    description: 'Used for system critical pods that must not be moved from their current node.',
  },
  {
    metadata: { name: 'system-cluster-critical' },
    value: 2_000_000_000,
    description:
      'Used for system critical pods that must run in the cluster, but can be moved to another node if necessary.',
  },
] as const satisfies readonly PriorityClass[];

const [nodeCritical, clusterCritical] = systemPriorityClasses;
export const NODE_CRITICAL_CLASS = nodeCritical.metadata.name;

/** The priority from which on a pod is the system's own. */
export const SYSTEM_CRITICAL = clusterCritical.value;
