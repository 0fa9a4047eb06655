import type { Labels, Node, Taint } from '../api/types.ts';
import type { PodInfo } from './podinfo.ts';
import { Amounts, add, amountsOf } from './resources.ts';

const noLabels: Labels = {};
const noTaints: readonly Taint[] = [];

/** A node with the sums of what its pods ask for, kept up to date pod by pod. */
export class NodeInfo {
  readonly name: string;
  readonly pods = new Map<string, PodInfo>();
  readonly requested = new Amounts();
  readonly scored = { cpu: 0, memory: 0 };
  /** Pods that use a host port, by `port/protocol`. */
  readonly hostPorts = new Map<string, Set<string>>();
  #node: Node = {};
  #allocatable = new Amounts();
  #images = new Map<string, number>();
  /** False for a node that is only known from its pods. */
  known = false;
  unschedulable = false;
  labels: Labels = noLabels;
  taints: readonly Taint[] = noTaints;
  /** Most nodes of a cluster have one of few lists of taints: what follows from one is worked out once. */
  taintsKey = '[]';
  /** Whether a taint asks pods to go elsewhere if they can. */
  prefersOthers = false;

  constructor(name: string) {
    this.name = name;
  }

  get node(): Node {
    return this.#node;
  }

  get allocatable(): Amounts {
    return this.#allocatable;
  }

  /** Sizes in bytes by name. */
  get images(): ReadonlyMap<string, number> {
    return this.#images;
  }

  setNode(node: Node | undefined): void {
    this.known = node !== undefined;
    this.#node = node ?? {};
    this.#allocatable = amountsOf(node?.status?.allocatable);
    this.unschedulable = node?.spec?.unschedulable === true;
    this.labels = node?.metadata?.labels ?? noLabels;
    this.taints = node?.spec?.taints ?? noTaints;
    this.taintsKey = JSON.stringify(this.taints);
    this.prefersOthers = this.taints.some(({ effect }) => effect === 'PreferNoSchedule');
    this.#images = new Map(
      (node?.status?.images ?? []).flatMap(({ names, sizeBytes }) =>
        (names ?? []).map((name) => [name, sizeBytes ?? 0] as const),
      ),
    );
  }

  addPod(pod: PodInfo): void {
    this.pods.set(pod.uid, pod);
    this.#count(pod, 1);
    for (const { port, protocol, ip } of pod.hostPorts) {
      const key = `${port}/${protocol}`;
      const users = this.hostPorts.get(key) ?? new Set();
      this.hostPorts.set(key, users.add(`${ip} ${pod.uid}`));
    }
  }

  removePod(pod: PodInfo): void {
    if (!this.pods.delete(pod.uid)) return;
    this.#count(pod, -1);
    for (const { port, protocol, ip } of pod.hostPorts) {
      const key = `${port}/${protocol}`;
      const users = this.hostPorts.get(key);
      users?.delete(`${ip} ${pod.uid}`);
      if (users?.size === 0) this.hostPorts.delete(key);
    }
  }

  #count({ requests }: PodInfo, sign: 1 | -1): void {
    add(this.requested, requests.amounts, sign);
    this.scored.cpu += sign * requests.scored.cpu;
    this.scored.memory += sign * requests.scored.memory;
  }
}
