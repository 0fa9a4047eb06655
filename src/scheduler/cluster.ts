import type { LabelSelector, Labels, Node, Pod } from '../api/types.ts';
import { PodCounts, TermIndex } from './counts.ts';
import { NodeInfo } from './nodeinfo.ts';
import { type PodInfo, podInfo } from './podinfo.ts';
import { noVolumes, type Volumes } from './volumes.ts';

interface Placed {
  readonly info: PodInfo;
  readonly node: string;
  /** Decided by us and not yet seen from the API server. */
  readonly assumed: boolean;
}

/** What the scheduler asks about a pod's workload. */
export interface Workloads {
  /** Selectors of the Services, ReplicaSets and StatefulSets that the pod belongs to. */
  selectorsOf(pod: PodInfo): readonly LabelSelector[];
}

/**
 * Nodes and the pods on them, as the API server says and as this scheduler has just decided. All sums are kept
 * incrementally: placing a pod costs the same on the thousandth node.
 */
export class Cluster {
  readonly counts = new PodCounts();
  /** Required anti-affinity of placed pods. */
  readonly antiAffinity = new TermIndex();
  /** Their preferred terms, and their required affinity, which counts as a preference of weight 1. */
  readonly preferences = new TermIndex();
  readonly workloads: Workloads;
  readonly volumes: Volumes;
  readonly #nodes = new Map<string, NodeInfo>();
  readonly #placed = new Map<string, Placed>();
  /** Taken off for the length of a question. */
  readonly #suspended = new Map<string, Placed>();
  readonly #nominated = new Map<string, { readonly info: PodInfo; readonly node: string }>();
  readonly #namespaces = new Map<string, Labels>();
  readonly #imageNodes = new Map<string, number>();
  /** How many nodes have a label, by its key. */
  readonly #labelNodes = new Map<string, number>();
  /** How many placed pods there are of each priority. */
  readonly #priorities = new Map<number, number>();
  #list: NodeInfo[] | undefined;

  constructor(workloads: Workloads = { selectorsOf: () => [] }, volumes: Volumes = noVolumes) {
    this.workloads = workloads;
    this.volumes = volumes;
  }

  /** All nodes that are there, in an order that stays. */
  get nodes(): readonly NodeInfo[] {
    this.#list ??= [...this.#nodes.values()].filter((node) => node.known);
    return this.#list;
  }

  node(name: string): NodeInfo | undefined {
    const info = this.#nodes.get(name);
    return info?.known ? info : undefined;
  }

  /** Whether any node has a label of this key. */
  hasLabel(key: string): boolean {
    return this.#labelNodes.has(key);
  }

  /** How many nodes have the image. */
  nodesWithImage(name: string): number {
    return this.#imageNodes.get(name) ?? 0;
  }

  readonly namespaceLabels = (namespace: string): Labels => this.#namespaces.get(namespace) ?? {};

  setNamespace(name: string, labels: Labels | undefined): void {
    if (labels) this.#namespaces.set(name, labels);
    else this.#namespaces.delete(name);
    this.counts.clear();
  }

  setNode(name: string, node: Node | undefined): void {
    const info = this.#infoOf(name);
    this.#countFacts(info, -1);
    info.setNode(node);
    this.#countFacts(info, 1);
    this.#forgetIfEmpty(info);
    this.#list = undefined;
  }

  /** A pod as the API server has it: on its node while it runs there, and nowhere else. */
  setPod(pod: Pod): void {
    const node = pod.spec?.nodeName;
    const phase = pod.status?.phase;
    const info = podInfo(pod);
    const placed = this.#placed.get(info.uid);
    // News older than our decision.
    if (!node && placed?.assumed) return;
    this.#take(info.uid);
    if (node && phase !== 'Succeeded' && phase !== 'Failed') this.#place({ info, node, assumed: false });
  }

  removePod(uid: string): void {
    this.#take(uid);
  }

  isPlaced(uid: string): boolean {
    return this.#placed.has(uid);
  }

  /** Of all placed pods: none of lower priority can make room for anybody. */
  get lowestPriority(): number {
    return Math.min(...this.#priorities.keys());
  }

  /** Where a placed pod is. */
  nodeOf(uid: string): NodeInfo | undefined {
    return this.node(this.#placed.get(uid)?.node ?? '');
  }

  get size(): { readonly nodes: number; readonly pods: number; readonly assumed: number } {
    const assumed = [...this.#placed.values()].filter((placed) => placed.assumed).length;
    return { nodes: this.nodes.length, pods: this.#placed.size, assumed };
  }

  /** Counts a pod on the node it is about to be bound to. */
  assume(info: PodInfo, node: string): void {
    this.#take(info.uid);
    this.#place({ info, node, assumed: true });
  }

  /** Takes back an assumption that did not come true. */
  forget(uid: string): void {
    if (this.#placed.get(uid)?.assumed) this.#take(uid);
  }

  /** Keeps room on a node for a pod for which others have to go. */
  nominate(info: PodInfo, node: string): void {
    this.#nominated.set(info.uid, { info, node });
  }

  clearNomination(uid: string): void {
    this.#nominated.delete(uid);
  }

  nominatedNode(uid: string): string | undefined {
    return this.#nominated.get(uid)?.node;
  }

  /** Pods of lower priority than `priority` for which room is kept on a node. */
  nominatedBelow(priority: number, node: string): PodInfo[] {
    return [...this.#nominated.values()]
      .filter((each) => each.node === node && each.info.priority < priority)
      .map(({ info }) => info);
  }

  /** Asks as if those were placed already that have a node kept for them and go before `pod`. */
  withNominated<T>(pod: PodInfo, ask: () => T): T {
    const others = [...this.#nominated.values()].filter(
      ({ info }) => info.uid !== pod.uid && info.priority >= pod.priority && !this.#placed.has(info.uid),
    );
    for (const { info, node } of others) this.#place({ info, node, assumed: true });
    try {
      return ask();
    } finally {
      for (const { info } of others) this.#take(info.uid);
    }
  }

  /** Takes a placed pod off, until {@link resume}. */
  suspend(uid: string): void {
    const placed = this.#placed.get(uid);
    if (!placed) return;
    this.#suspended.set(uid, placed);
    this.#take(uid);
  }

  resume(uid: string): void {
    const placed = this.#suspended.get(uid);
    if (!placed) return;
    this.#suspended.delete(uid);
    this.#place(placed);
  }

  /** Every placed pod with its node's name. */
  *placed(): Iterable<readonly [PodInfo, string]> {
    for (const { info, node } of this.#placed.values()) yield [info, node];
  }

  /** Counts by node of the pods that pass `test`; see {@link PodCounts.count}. */
  countByNode(key: string, test: (pod: PodInfo) => boolean): ReadonlyMap<string, number> {
    return this.counts.count(key, test, () => this.placed());
  }

  #place(placed: Placed): void {
    this.#placed.set(placed.info.uid, placed);
    this.#infoOf(placed.node).addPod(placed.info);
    this.#index(placed, 1);
  }

  #take(uid: string): void {
    const placed = this.#placed.get(uid);
    if (!placed) return;
    this.#placed.delete(uid);
    const node = this.#infoOf(placed.node);
    node.removePod(placed.info);
    this.#index(placed, -1);
    this.#forgetIfEmpty(node);
  }

  #index({ info, node }: Placed, by: 1 | -1): void {
    this.counts.change(info, node, by);
    count(this.#priorities, info.priority, by);
    for (const term of info.antiAffinity) this.antiAffinity.change(term, node, by);
    for (const term of info.affinity) this.preferences.change({ ...term, weight: 1 }, node, by);
    for (const term of info.preferredAffinity) this.preferences.change(term, node, by);
    for (const term of info.preferredAntiAffinity) this.preferences.change(term, node, by);
  }

  #infoOf(name: string): NodeInfo {
    let info = this.#nodes.get(name);
    if (!info) {
      info = new NodeInfo(name);
      this.#nodes.set(name, info);
    }
    return info;
  }

  #forgetIfEmpty(info: NodeInfo): void {
    if (!info.known && info.pods.size === 0) this.#nodes.delete(info.name);
  }

  #countFacts({ images, labels }: NodeInfo, by: 1 | -1): void {
    for (const image of images.keys()) count(this.#imageNodes, image, by);
    for (const key of Object.keys(labels)) count(this.#labelNodes, key, by);
  }
}

function count<K>(counts: Map<K, number>, key: K, by: 1 | -1): void {
  const sum = (counts.get(key) ?? 0) + by;
  if (sum > 0) counts.set(key, sum);
  else counts.delete(key);
}
