import type * as k8s from '@kubernetes/client-node';
import type { LabelSelector, Wire } from '../../api/types.ts';
import type { Cluster } from '../cluster.ts';
import { type FilterPlugin, maxScore, rejection, type ScorePlugin } from '../framework.ts';
import type { NodeInfo } from '../nodeinfo.ts';
import { type PodInfo, withLabelKeys } from '../podinfo.ts';
import { labelTest } from '../selectors.ts';
import { requiredNodeTest } from './node-affinity.ts';
import { tolerates } from './tolerations.ts';

const name = 'PodTopologySpread';
const hostname = 'kubernetes.io/hostname';
const zone = 'topology.kubernetes.io/zone';
const skewed = rejection(false, "node(s) didn't match pod topology spread constraints");
const unlabelled = rejection(true, "node(s) didn't match pod topology spread constraints (missing required label)");
/** Taken where a score must tell "not to be ranked" from every number. */
const unranked = Number.NaN;

interface Constraint {
  readonly topologyKey: string;
  readonly maxSkew: number;
  readonly minDomains: number;
  readonly selector: LabelSelector | undefined;
  readonly honorAffinity: boolean;
  readonly honorTaints: boolean;
}

function constraintsOf(pod: PodInfo, when: 'DoNotSchedule' | 'ScheduleAnyway'): Constraint[] {
  return (pod.pod.spec?.topologySpreadConstraints ?? [])
    .filter(({ whenUnsatisfiable }) => whenUnsatisfiable === when)
    .map((constraint: Wire<k8s.V1TopologySpreadConstraint>) => ({
      topologyKey: constraint.topologyKey,
      maxSkew: constraint.maxSkew,
      minDomains: constraint.minDomains ?? 1,
      selector: withLabelKeys(constraint.labelSelector, pod.labels, constraint.matchLabelKeys),
      honorAffinity: constraint.nodeAffinityPolicy !== 'Ignore',
      honorTaints: constraint.nodeTaintsPolicy === 'Honor',
    }));
}

/** Kubernetes' own for pods that say nothing: spread a workload's replicas softly over nodes and zones. */
function defaultConstraints(pod: PodInfo, cluster: Cluster): Constraint[] {
  if (pod.pod.spec?.topologySpreadConstraints?.length) return [];
  const selectors = cluster.workloads.selectorsOf(pod);
  if (selectors.length === 0) return [];
  const selector: LabelSelector = {
    matchLabels: Object.assign({}, ...selectors.map(({ matchLabels }) => matchLabels)),
    matchExpressions: selectors.flatMap(({ matchExpressions }) => matchExpressions ?? []),
  };
  const common = { minDomains: 1, selector, honorAffinity: true, honorTaints: false };
  return [
    { topologyKey: hostname, maxSkew: 3, ...common },
    { topologyKey: zone, maxSkew: 5, ...common },
  ];
}

/** Matching pods by node; pods on their way out do not count. */
function matchingPods(constraint: Constraint, pod: PodInfo, cluster: Cluster): ReadonlyMap<string, number> {
  const test = labelTest(constraint.selector);
  const key = `spread ${pod.namespace} ${JSON.stringify(constraint.selector)}`;
  return cluster.countByNode(
    key,
    (other) => other.namespace === pod.namespace && !other.terminating && test(other.labels),
  );
}

/** Whether a node's pods count for a constraint (nodeAffinityPolicy, nodeTaintsPolicy). */
function inclusion(pod: PodInfo): (constraint: Constraint, node: NodeInfo) => boolean {
  const selected = requiredNodeTest(pod.pod.spec);
  const tolerated = (node: NodeInfo) =>
    node.taints.every((taint) => taint.effect === 'PreferNoSchedule' || tolerates(pod.pod.spec?.tolerations, taint));
  return (constraint, node) =>
    (!constraint.honorAffinity || !selected || selected(node.node)) && (!constraint.honorTaints || tolerated(node));
}

/** Pods by domain of one constraint, over the nodes that count. */
function countDomains(
  constraint: Constraint,
  constraints: readonly Constraint[],
  pod: PodInfo,
  cluster: Cluster,
  needsAllKeys: boolean,
): Map<string, number> {
  const byNode = matchingPods(constraint, pod, cluster);
  const counts = inclusion(pod);
  const domains = new Map<string, number>();
  for (const node of cluster.nodes) {
    const value = node.labels[constraint.topologyKey];
    if (value === undefined || !counts(constraint, node)) continue;
    if (needsAllKeys && constraints.some(({ topologyKey }) => node.labels[topologyKey] === undefined)) continue;
    domains.set(value, (domains.get(value) ?? 0) + (byNode.get(node.name) ?? 0));
  }
  return domains;
}

/** `DoNotSchedule`: no domain may be ahead of the emptiest by more than `maxSkew`. */
export const podTopologySpreadFilter: FilterPlugin = {
  name,
  wokenBy: ['NodeAdded', 'NodeLabels', 'NodeTaints', 'PodPlaced', 'PodRemoved'],
  filter(pod, cluster) {
    const constraints = constraintsOf(pod, 'DoNotSchedule');
    if (constraints.length === 0) return undefined;
    const prepared = constraints.map((constraint) => {
      const domains = countDomains(constraint, constraints, pod, cluster, true);
      const least = domains.size < constraint.minDomains ? 0 : Math.min(...domains.values());
      const self = labelTest(constraint.selector)(pod.labels) ? 1 : 0;
      return { ...constraint, domains, least: Number.isFinite(least) ? least : 0, self };
    });
    return ({ labels }) => {
      for (const { topologyKey, domains, least, self, maxSkew } of prepared) {
        const value = labels[topologyKey];
        if (value === undefined) return unlabelled;
        if ((domains.get(value) ?? 0) + self - least > maxSkew) return skewed;
      }
      return undefined;
    };
  },
};

function domainsAmong(nodes: readonly NodeInfo[], topologyKey: string): number {
  const values = new Set<string>();
  for (const { labels } of nodes) {
    const value = labels[topologyKey];
    if (value !== undefined) values.add(value);
  }
  return values.size;
}

/** `ScheduleAnyway`: prefers domains with fewer matching pods; a rare domain's pods weigh more. */
export const podTopologySpreadScore: ScorePlugin = {
  name,
  weight: 2,
  score(pod, cluster, nodes) {
    const own = constraintsOf(pod, 'ScheduleAnyway');
    const needsAllKeys = own.length > 0;
    const all = needsAllKeys ? own : defaultConstraints(pod, cluster);
    // By a label that no node has, all nodes are alike.
    const constraints = needsAllKeys ? own : all.filter(({ topologyKey }) => cluster.hasLabel(topologyKey));
    if (constraints.length === 0) return undefined;
    const prepared = constraints.map((constraint) => {
      const byNode = constraint.topologyKey === hostname ? matchingPods(constraint, pod, cluster) : undefined;
      const domains = byNode ? undefined : countDomains(constraint, constraints, pod, cluster, needsAllKeys);
      const size = byNode ? nodes.length : domainsAmong(nodes, constraint.topologyKey);
      return { ...constraint, byNode, domains, weight: Math.log(size + 2) };
    });
    const [first] = prepared;
    if (first?.byNode && prepared.length === 1 && !needsAllKeys) {
      // A workload's replicas in a cluster without zones: by far the most common question.
      const { byNode, weight, maxSkew } = first;
      return ({ name: node }) => Math.round((byNode.get(node) ?? 0) * weight + (maxSkew - 1));
    }
    return (node) => {
      let sum = 0;
      for (const { topologyKey, byNode, domains, weight, maxSkew } of prepared) {
        const value = node.labels[topologyKey];
        if (value === undefined) {
          if (needsAllKeys) return unranked;
          continue;
        }
        const count = byNode ? (byNode.get(node.name) ?? 0) : (domains?.get(value) ?? 0);
        sum += count * weight + (maxSkew - 1);
      }
      return Math.round(sum);
    };
  },
  normalize(scores) {
    let max = 0;
    let min = Number.POSITIVE_INFINITY;
    for (const score of scores) {
      if (score > max) max = score;
      if (score < min) min = score;
    }
    for (let index = 0; index < scores.length; index++) {
      const score = scores[index] as number;
      if (Number.isNaN(score)) scores[index] = 0;
      else scores[index] = max === 0 ? maxScore : Math.floor((maxScore * (max + min - score)) / max);
    }
  },
};
