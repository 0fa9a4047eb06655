import type { ClusterEvent } from './framework.ts';
import type { NodeInfo } from './nodeinfo.ts';
import { filterPlugins } from './plugins/index.ts';
import { nodeResourcesFit } from './plugins/node-resources-fit.ts';
import type { PodInfo } from './podinfo.ts';

export interface QueuedPod {
  readonly info: PodInfo;
  /** When it first came (`performance.now`), which orders pods of one priority. */
  readonly since: number;
  attempts: number;
  /** Plugins that rejected it last time; none: anything may help. */
  rejectedBy: ReadonlySet<string>;
  triedAt: number;
  /** Woken for room on some node: not tried where that is taken by then. */
  forRoom?: boolean;
}

/** After a failure that was not the cluster's (a refused binding), in ms; doubled each time. */
const firstBackoffMs = 1000;
const maxBackoffMs = 10_000;
/** A pod that nothing woke is tried again all the same. */
const staleMs = 5 * 60_000;

/** The plugin that a node's room matters to. */
const ROOM = nodeResourcesFit.name;
const wakers = new Map<string, readonly ClusterEvent[]>(filterPlugins.map(({ name, wokenBy }) => [name, wokenBy]));

/**
 * Pods that wait for a node. `next` hands out new ones before those that were tried before, by priority and then by
 * age. A pod that fits nowhere waits until something happens that may help it; one that failed otherwise waits a
 * growing time. There is no other retry.
 */
export class SchedulingQueue {
  readonly #active = new Heap();
  readonly #woken = new Heap();
  readonly #unschedulable = new Map<string, QueuedPod>();
  readonly #failed = new Map<string, { readonly pod: QueuedPod; readonly timer: NodeJS.Timeout }>();
  /** Nodes on which room was made since pods were last asked whether it helps them. */
  #rooms = new Set<NodeInfo>();
  /** Those for which pods are woken now. */
  #open: ReadonlySet<NodeInfo> = new Set();
  readonly #onReady: () => void;
  readonly #helps: (info: PodInfo, node: NodeInfo) => boolean;
  readonly #stale: NodeJS.Timeout;

  /**
   * `onReady` is called whenever there may be something for {@link next}. `helps`: whether room on a node is enough for
   * a pod that lacked some, or for what it may displace.
   */
  constructor(onReady: () => void, helps: (info: PodInfo, node: NodeInfo) => boolean = () => true) {
    this.#onReady = onReady;
    this.#helps = helps;
    this.#stale = setInterval(() => this.#wakeStale(), staleMs / 10).unref();
  }

  get size(): number {
    return this.#active.size + this.#woken.size + this.#unschedulable.size + this.#failed.size;
  }

  /** How many pods wait for what. */
  get counts() {
    return {
      active: this.#active.size + this.#woken.size,
      backoff: this.#failed.size,
      unschedulable: this.#unschedulable.size,
    };
  }

  /** How many of the pods that fit nowhere were rejected by each plugin. */
  get rejections(): ReadonlyMap<string, number> {
    const counts = new Map<string, number>();
    for (const { rejectedBy } of this.#unschedulable.values())
      for (const plugin of rejectedBy) counts.set(plugin, (counts.get(plugin) ?? 0) + 1);
    return counts;
  }

  has(uid: string): boolean {
    return this.#find(uid) !== undefined;
  }

  get(uid: string): QueuedPod | undefined {
    return this.#find(uid);
  }

  add(info: PodInfo): void {
    const known = this.remove(info.uid);
    const now = performance.now();
    this.#active.push({
      info,
      since: known?.since ?? now,
      attempts: known?.attempts ?? 0,
      rejectedBy: none,
      triedAt: now,
    });
    this.#onReady();
  }

  /** The same pod with news that can't help it. */
  replace(info: PodInfo): void {
    const waiting = this.#unschedulable.get(info.uid);
    if (waiting) this.#unschedulable.set(info.uid, { ...waiting, info });
  }

  next(): QueuedPod | undefined {
    const pod = this.#active.pop() ?? this.#nextWoken();
    if (pod) pod.attempts++;
    return pod;
  }

  /** To be called with what {@link next} gave out when no node could take it. */
  unschedulable(pod: QueuedPod, rejectedBy: ReadonlySet<string>): void {
    this.#unschedulable.set(pod.info.uid, { ...pod, forRoom: false, rejectedBy, triedAt: performance.now() });
  }

  /** To be called when something else went wrong. */
  failed(pod: QueuedPod): void {
    const ms = Math.min(maxBackoffMs, firstBackoffMs * 2 ** (pod.attempts - 1));
    const timer = setTimeout(() => {
      this.#failed.delete(pod.info.uid);
      this.#active.push(pod);
      this.#onReady();
    }, ms).unref();
    this.#failed.set(pod.info.uid, { pod, timer });
  }

  remove(uid: string): QueuedPod | undefined {
    const pod = this.#find(uid);
    this.#active.delete(uid);
    this.#woken.delete(uid);
    this.#unschedulable.delete(uid);
    clearTimeout(this.#failed.get(uid)?.timer);
    this.#failed.delete(uid);
    return pod;
  }

  /**
   * Wakes the pods that these changes may help. `room`: the only node that has become emptier; who lacked nothing but
   * room is asked for it when nothing else is left to do, and then all changes of that time at once.
   */
  wake(events: readonly ClusterEvent[], room?: NodeInfo): void {
    if (this.#unschedulable.size === 0 || events.length === 0) return;
    const isForRoom = room !== undefined && events.every((event) => event === 'PodRemoved');
    this.#wakeIf(({ rejectedBy }) => {
      if (rejectedBy.size === 0) return true;
      for (const name of rejectedBy) if (isWoken(name, events) && !(isForRoom && name === ROOM)) return true;
      return false;
    });
    if (!isForRoom) return;
    this.#rooms.add(room);
    this.#onReady();
  }

  /** Tries one pod again, whatever rejected it. */
  retry(uid: string): void {
    this.#wakeIf(({ info }) => info.uid === uid);
  }

  close(): void {
    clearInterval(this.#stale);
    for (const { timer } of this.#failed.values()) clearTimeout(timer);
    this.#failed.clear();
  }

  #nextWoken(): QueuedPod | undefined {
    for (;;) {
      const pod = this.#woken.pop() ?? (this.#wakeForRoom() ? this.#woken.pop() : undefined);
      if (!pod?.forRoom || this.#isHelped(pod)) return pod;
      // Others were faster.
      this.#unschedulable.set(pod.info.uid, pod);
    }
  }

  /** Returns whether any pod was woken. */
  #wakeForRoom(): boolean {
    if (this.#rooms.size === 0) return false;
    this.#open = this.#rooms;
    this.#rooms = new Set();
    let any = false;
    for (const [uid, pod] of this.#unschedulable) {
      if (!pod.rejectedBy.has(ROOM) || !this.#isHelped(pod)) continue;
      this.#unschedulable.delete(uid);
      this.#woken.push({ ...pod, forRoom: true });
      any = true;
    }
    return any;
  }

  #isHelped({ info }: QueuedPod): boolean {
    for (const node of this.#open) if (this.#helps(info, node)) return true;
    return false;
  }

  #find(uid: string): QueuedPod | undefined {
    return this.#active.get(uid) ?? this.#woken.get(uid) ?? this.#unschedulable.get(uid) ?? this.#failed.get(uid)?.pod;
  }

  #wakeStale(): void {
    const before = performance.now() - staleMs;
    this.#wakeIf(({ triedAt }) => triedAt < before);
  }

  #wakeIf(test: (pod: QueuedPod) => boolean): void {
    let any = false;
    for (const [uid, pod] of this.#unschedulable) {
      if (!test(pod)) continue;
      this.#unschedulable.delete(uid);
      this.#woken.push({ ...pod, forRoom: false });
      any = true;
    }
    if (any) this.#onReady();
  }
}

const none: ReadonlySet<string> = new Set();

function isWoken(plugin: string, events: readonly ClusterEvent[]): boolean {
  return wakers.get(plugin)?.some((event) => events.includes(event)) ?? true;
}

/** Higher priority first, then older; removing leaves a hole that `pop` skips. */
class Heap {
  readonly #items: QueuedPod[] = [];
  readonly #live = new Map<string, QueuedPod>();

  get size(): number {
    return this.#live.size;
  }

  get(uid: string): QueuedPod | undefined {
    return this.#live.get(uid);
  }

  delete(uid: string): void {
    this.#live.delete(uid);
  }

  push(pod: QueuedPod): void {
    this.#live.set(pod.info.uid, pod);
    const items = this.#items;
    let at = items.push(pod) - 1;
    while (at > 0) {
      const parent = (at - 1) >> 1;
      if (!before(items[at] as QueuedPod, items[parent] as QueuedPod)) break;
      swap(items, at, parent);
      at = parent;
    }
  }

  pop(): QueuedPod | undefined {
    for (;;) {
      const top = this.#popAny();
      if (!top) return undefined;
      if (this.#live.get(top.info.uid) !== top) continue;
      this.#live.delete(top.info.uid);
      return top;
    }
  }

  #popAny(): QueuedPod | undefined {
    const items = this.#items;
    const top = items[0];
    const last = items.pop();
    if (!top || !last || items.length === 0) return top;
    items[0] = last;
    for (let at = 0; ; ) {
      let least = at;
      for (const child of [2 * at + 1, 2 * at + 2])
        if (child < items.length && before(items[child] as QueuedPod, items[least] as QueuedPod)) least = child;
      if (least === at) return top;
      swap(items, at, least);
      at = least;
    }
  }
}

function before(a: QueuedPod, b: QueuedPod): boolean {
  return a.info.priority !== b.info.priority ? a.info.priority > b.info.priority : a.since < b.since;
}

function swap(items: QueuedPod[], a: number, b: number): void {
  const item = items[a] as QueuedPod;
  items[a] = items[b] as QueuedPod;
  items[b] = item;
}
