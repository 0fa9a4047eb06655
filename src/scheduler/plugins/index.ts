import type { FilterPlugin, ScorePlugin } from '../framework.ts';
import { imageLocality } from './image-locality.ts';
import { interPodAffinityFilter, interPodAffinityScore } from './inter-pod-affinity.ts';
import { nodeAffinityFilter, nodeAffinityScore } from './node-affinity.ts';
import { nodeName } from './node-name.ts';
import { nodePorts } from './node-ports.ts';
import { balancedAllocation, leastAllocated, nodeResourcesFit } from './node-resources-fit.ts';
import { nodeUnschedulable } from './node-unschedulable.ts';
import { podTopologySpreadFilter, podTopologySpreadScore } from './pod-topology-spread.ts';
import { taintTolerationFilter, taintTolerationScore } from './taint-toleration.ts';
import { volumeBinding, volumeClaims, volumeRestrictions, volumeZone } from './volume-binding.ts';

/** In the order in which they are asked; the first that rejects a node gives the reason. */
export const filterPlugins: readonly FilterPlugin[] = [
  volumeClaims,
  nodeUnschedulable,
  nodeName,
  taintTolerationFilter,
  nodeAffinityFilter,
  nodePorts,
  nodeResourcesFit,
  volumeRestrictions,
  volumeBinding,
  volumeZone,
  podTopologySpreadFilter,
  interPodAffinityFilter,
];

/** With the weights of Kubernetes' default profile. */
export const scorePlugins: readonly ScorePlugin[] = [
  taintTolerationScore,
  nodeAffinityScore,
  leastAllocated,
  podTopologySpreadScore,
  interPodAffinityScore,
  balancedAllocation,
  imageLocality,
];
