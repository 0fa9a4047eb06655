import type { Cluster } from './cluster.ts';
import type { NodeFilter, Rejection } from './framework.ts';
import type { NodeInfo } from './nodeinfo.ts';
import { filterPlugins, scorePlugins } from './plugins/index.ts';
import type { PodInfo } from './podinfo.ts';

export type Decision =
  | { readonly kind: 'node'; readonly node: NodeInfo }
  | {
      readonly kind: 'none';
      readonly rejections: ReadonlyMap<string, Rejection>;
      /** Plugins that rejected at least one node. */
      readonly plugins: ReadonlySet<string>;
    };

/** Where the search for possible nodes begins: it moves on, so that all nodes get their turn in large clusters. */
export interface Search {
  start: number;
}

/** Below this, all nodes are looked at. */
const leastNodes = 100;
const leastPercent = 5;

/** How many possible nodes are enough: Kubernetes' adaptive percentage of nodes to score. */
export function enoughNodes(total: number): number {
  if (total < leastNodes) return total;
  const percent = Math.max(leastPercent, 50 - Math.floor(total / 125));
  return Math.max(leastNodes, Math.floor((total * percent) / 100));
}

/** Chooses a node for a pod. Changes nothing but `search`. */
export function schedule(pod: PodInfo, cluster: Cluster, search: Search): Decision {
  const rejections = new Map<string, Rejection>();
  const plugins = new Set<string>();
  const possible = cluster.withNominated(pod, () => {
    const ask = filterFor(pod, cluster);
    const reject = (node: NodeInfo): boolean => {
      const answer = ask(node);
      if (!answer) return false;
      rejections.set(node.name, answer.rejected);
      plugins.add(answer.plugin);
      return true;
    };
    // Pods went so that this one may have the node.
    const nominated = cluster.node(cluster.nominatedNode(pod.uid) ?? '');
    return nominated && !ask(nominated) ? [nominated] : findPossible(cluster.nodes, search, reject);
  });
  const [first] = possible;
  if (!first) return { kind: 'none', rejections, plugins };
  return { kind: 'node', node: possible.length === 1 ? first : best(pod, cluster, possible) };
}

/** Whether a node can take a pod, and those for which room is kept. */
export function fits(pod: PodInfo, node: NodeInfo, cluster: Cluster): boolean {
  return cluster.withNominated(pod, () => filterFor(pod, cluster)(node) === undefined);
}

interface Rejected {
  readonly plugin: string;
  readonly rejected: Rejection;
}

/** All filters as one; the answer of the first that rejects. */
function filterFor(pod: PodInfo, cluster: Cluster): (node: NodeInfo) => Rejected | undefined {
  const filters: { name: string; filter: NodeFilter }[] = [];
  for (const { name, filter } of filterPlugins) {
    const prepared = filter(pod, cluster);
    if (prepared) filters.push({ name, filter: prepared });
  }
  return (node) => {
    for (const { name, filter } of filters) {
      const rejected = filter(node);
      if (rejected) return { plugin: name, rejected };
    }
    return undefined;
  };
}

function findPossible(nodes: readonly NodeInfo[], search: Search, reject: (node: NodeInfo) => boolean): NodeInfo[] {
  const enough = enoughNodes(nodes.length);
  const possible: NodeInfo[] = [];
  let looked = 0;
  for (; looked < nodes.length && possible.length < enough; looked++) {
    const node = nodes[(search.start + looked) % nodes.length] as NodeInfo;
    if (!reject(node)) possible.push(node);
  }
  if (nodes.length > 0) search.start = (search.start + looked) % nodes.length;
  return possible;
}

function best(pod: PodInfo, cluster: Cluster, nodes: readonly NodeInfo[]): NodeInfo {
  const totals = totalScores(pod, cluster, nodes);
  let highest = -1;
  let chosen = nodes[0] as NodeInfo;
  let equals = 0;
  for (let index = 0; index < totals.length; index++) {
    const total = totals[index] as number;
    if (total < highest) continue;
    equals = total > highest ? 1 : equals + 1;
    highest = total;
    // Each of the equals is chosen with the same chance.
    if (Math.random() * equals < 1) chosen = nodes[index] as NodeInfo;
  }
  return chosen;
}

/** Weighted sums of all plugins' scores, in the order of `nodes`. */
export function totalScores(pod: PodInfo, cluster: Cluster, nodes: readonly NodeInfo[]): number[] {
  const totals = new Array<number>(nodes.length).fill(0);
  const scores = new Array<number>(nodes.length).fill(0);
  for (const plugin of scorePlugins) {
    const scorer = plugin.score(pod, cluster, nodes);
    if (!scorer) continue;
    for (let index = 0; index < nodes.length; index++) scores[index] = scorer(nodes[index] as NodeInfo);
    plugin.normalize?.(scores);
    // A hot loop: a thousand nodes for each of ten thousand pods.
    for (let index = 0; index < scores.length; index++)
      totals[index] = (totals[index] as number) + (scores[index] as number) * plugin.weight;
  }
  return totals;
}
