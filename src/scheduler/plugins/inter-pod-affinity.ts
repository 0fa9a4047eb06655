import type { Cluster } from '../cluster.ts';
import { type FilterPlugin, maxScore, type NodeFilter, rejection, type ScorePlugin } from '../framework.ts';
import type { AffinityTerm, PodInfo } from '../podinfo.ts';

const name = 'InterPodAffinity';
const noAffinity = rejection(true, "node(s) didn't match pod affinity rules");
const ownAnti = rejection(false, "node(s) didn't match pod anti-affinity rules");
const othersAnti = rejection(false, "node(s) didn't satisfy existing pods anti-affinity rules");

/** Numbers by topology domain: by label key, then by its value. */
type Domains = Map<string, Map<string, number>>;

/** Required affinity and anti-affinity between pods, in both directions. */
export const interPodAffinityFilter: FilterPlugin = {
  name,
  wokenBy: ['NodeAdded', 'NodeLabels', 'PodPlaced', 'PodRemoved', 'NamespaceLabels'],
  filter(pod, cluster) {
    const checks = [affinityCheck(pod, cluster), antiAffinityCheck(pod, cluster), existingCheck(pod, cluster)];
    const present = checks.filter((check) => check !== undefined);
    if (present.length === 0) return undefined;
    return (node) => {
      for (const check of present) {
        const rejected = check(node);
        if (rejected) return rejected;
      }
      return undefined;
    };
  },
};

/** A pod counts where it matches all terms; where none does anywhere, the first of a group that matches itself may go. */
function affinityCheck(pod: PodInfo, cluster: Cluster): NodeFilter | undefined {
  const terms = pod.affinity;
  if (terms.length === 0) return undefined;
  const matches = (other: PodInfo) => terms.every((term) => term.matches(other, cluster.namespaceLabels));
  const byNode = cluster.countByNode(`all ${terms.map(({ key }) => key).join()}`, matches);
  const domains: Domains = new Map();
  for (const term of terms) spread(domains, term.topologyKey, byNode, cluster, 1);
  const first = domains.size === 0 && matches(pod);
  return ({ labels }) => {
    const there = terms.every(({ topologyKey }) => {
      const value = labels[topologyKey];
      return value !== undefined && (first || (domains.get(topologyKey)?.get(value) ?? 0) > 0);
    });
    return there ? undefined : noAffinity;
  };
}

function antiAffinityCheck(pod: PodInfo, cluster: Cluster): NodeFilter | undefined {
  if (pod.antiAffinity.length === 0) return undefined;
  const domains: Domains = new Map();
  for (const term of pod.antiAffinity) spread(domains, term.topologyKey, countTerm(term, cluster), cluster, 1);
  return rejectIn(domains, ownAnti);
}

function existingCheck(pod: PodInfo, cluster: Cluster): NodeFilter | undefined {
  if (cluster.antiAffinity.size === 0) return undefined;
  const domains: Domains = new Map();
  for (const { term, byNode } of cluster.antiAffinity.matching(pod, cluster.namespaceLabels))
    spread(domains, term.topologyKey, byNode, cluster, 1);
  return rejectIn(domains, othersAnti);
}

function rejectIn(domains: Domains, rejected: ReturnType<typeof rejection>): NodeFilter | undefined {
  if (domains.size === 0) return undefined;
  return ({ labels }) => {
    for (const [key, values] of domains) {
      const value = labels[key];
      if (value !== undefined && (values.get(value) ?? 0) > 0) return rejected;
    }
    return undefined;
  };
}

/** Preferred affinity and anti-affinity, of the pod and of those already placed. */
export const interPodAffinityScore: ScorePlugin = {
  name,
  weight: 2,
  score(pod, cluster) {
    const own = [...pod.preferredAffinity, ...pod.preferredAntiAffinity];
    if (own.length === 0 && cluster.preferences.size === 0) return undefined;
    const domains: Domains = new Map();
    for (const term of own) spread(domains, term.topologyKey, countTerm(term, cluster), cluster, term.weight);
    for (const { term, byNode } of cluster.preferences.matching(pod, cluster.namespaceLabels))
      spread(domains, term.topologyKey, byNode, cluster, term.weight);
    if (domains.size === 0) return undefined;
    return ({ labels }) => {
      let sum = 0;
      for (const [key, values] of domains) sum += values.get(labels[key] ?? '') ?? 0;
      return sum;
    };
  },
  normalize(scores) {
    const min = Math.min(...scores);
    const range = Math.max(...scores) - min;
    for (const [index, score] of scores.entries())
      scores[index] = range > 0 ? Math.floor((maxScore * (score - min)) / range) : 0;
  },
};

function countTerm(term: AffinityTerm, cluster: Cluster): ReadonlyMap<string, number> {
  return cluster.countByNode(`term ${term.key}`, (pod) => term.matches(pod, cluster.namespaceLabels));
}

/** Adds counts by node to the domains that the nodes are in. */
function spread(
  domains: Domains,
  topologyKey: string,
  byNode: ReadonlyMap<string, number>,
  cluster: Cluster,
  weight: number,
): void {
  for (const [node, count] of byNode) {
    const value = cluster.node(node)?.labels[topologyKey];
    if (value === undefined) continue;
    const values = domains.get(topologyKey) ?? new Map<string, number>();
    domains.set(topologyKey, values.set(value, (values.get(value) ?? 0) + count * weight));
  }
}
