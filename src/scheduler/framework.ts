import type { Cluster } from './cluster.ts';
import type { NodeInfo } from './nodeinfo.ts';
import type { PodInfo } from './podinfo.ts';

/** Best score of a node, before weights. */
export const maxScore = 100;

/** Changes of the cluster that may make room for a pod. */
export type ClusterEvent =
  | 'NodeAdded'
  | 'NodeAllocatable'
  | 'NodeLabels'
  | 'NodeTaints'
  /** A pod was placed, or its labels changed. */
  | 'PodPlaced'
  /** A placed pod went, ended, or asks for less. */
  | 'PodRemoved'
  | 'NamespaceLabels'
  /** A claim, a volume or a storage class. */
  | 'VolumeChanged';

/** Why a node does not take a pod. */
export interface Rejection {
  /** As people read it after `0/3 nodes are available: 2 …`. */
  readonly reasons: readonly string[];
  /** Removing pods from the node would not help. */
  readonly unresolvable: boolean;
  /** It is the pod's, not the node's: told once, not counted by nodes. */
  readonly ofPod?: boolean;
}

export type NodeFilter = (node: NodeInfo) => Rejection | undefined;
export type NodeScorer = (node: NodeInfo) => number;

/** Says which nodes can take a pod at all. */
export interface FilterPlugin {
  readonly name: string;
  /** What may change its mind; a pod that it rejected is tried again then. */
  readonly wokenBy: readonly ClusterEvent[];
  /** Looks at the pod once; `undefined` where there is nothing to check on any node. */
  filter(pod: PodInfo, cluster: Cluster): NodeFilter | undefined;
}

/** Says which of the possible nodes are better. */
export interface ScorePlugin {
  readonly name: string;
  readonly weight: number;
  /** Looks at the pod and all its possible nodes once; `undefined` where all would score alike. */
  score(pod: PodInfo, cluster: Cluster, nodes: readonly NodeInfo[]): NodeScorer | undefined;
  /** Brings the nodes' scores into 0 … {@link maxScore}, in place. */
  normalize?(scores: number[]): void;
}

export const rejection = (unresolvable: boolean, ...reasons: string[]): Rejection => ({ reasons, unresolvable });

/** Scales so that the best has 100; with `reverse` the lowest value is the best. */
export function normalizeByMax(scores: number[], reverse = false): void {
  const max = Math.max(0, ...scores);
  for (const [index, score] of scores.entries()) {
    const scaled = max === 0 ? 0 : Math.floor((score * maxScore) / max);
    scores[index] = reverse ? maxScore - scaled : scaled;
  }
}
