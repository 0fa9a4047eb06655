import { namespaces, nodes, podDisruptionBudgets, pods } from '../api/resource.ts';
import type { Pod, PodDisruptionBudget } from '../api/types.ts';
import { claimsOf } from '../api/volumes.ts';
import { messageOf } from '../base/errors.ts';
import type { Log } from '../base/log.ts';
import type { Running } from '../base/running.ts';
import { keyOf } from '../client/cache.ts';
import { type Client, isNotFound } from '../client/client.ts';
import { createEventRecorder, type EventRecorder } from '../client/events.ts';
import type { Informer, InformerFactory } from '../client/informer.ts';
import { bind, clearNominatedNode, evictVictim, reportWaiting } from './binder.ts';
import { changedForScheduling, nodeEvents, podEvents } from './changes.ts';
import { Cluster } from './cluster.ts';
import { SchedulerMetrics } from './metrics.ts';
import { hasRoom } from './plugins/node-resources-fit.ts';
import { type PodInfo, podInfo } from './podinfo.ts';
import { preempt, type Victims } from './preemption.ts';
import { type QueuedPod, SchedulingQueue } from './queue.ts';
import { unschedulableMessage } from './report.ts';
import { type Search, schedule } from './schedule.ts';
import { type Reservation, type Volumes, watchVolumes } from './volumes.ts';
import { watchWorkloads } from './workloads.ts';

export interface SchedulerOptions {
  readonly client: Client;
  readonly informers: InformerFactory;
  readonly log: Log;
  /** Pods with this `spec.schedulerName` are ours. Default `default-scheduler`. */
  readonly schedulerName?: string;
}

const gated = 'Scheduling is blocked due to non-empty scheduling gates';
/** Bindings under way at once. */
const maxBindings = 256;
/** Scheduling gives way to other work after this long, in ms. */
const sliceMs = 4;

export interface RunningScheduler extends Running {
  /** What it does, as lines for Prometheus. */
  metrics(): string[];
}

/** Finds a node for every pod that has none. Resolves when its informers have synced. */
export async function startScheduler(options: SchedulerOptions): Promise<RunningScheduler> {
  const scheduler = new Scheduler(options);
  await options.informers.start();
  scheduler.start();
  return scheduler;
}

/**
 * The loop. Choosing a node is synchronous, so that no event comes between looking and deciding; writing the binding
 * is not, and until the API server shows it the decision counts as an assumption.
 */
class Scheduler implements RunningScheduler {
  readonly #client: Client;
  readonly #log: Log;
  readonly #name: string;
  readonly #cluster: Cluster;
  readonly #queue = new SchedulingQueue(
    () => this.#wake(),
    (info, node) => hasRoom(info, node) || this.#cluster.lowestPriority < info.priority,
  );
  readonly #events: EventRecorder;
  readonly #budgets: Informer<PodDisruptionBudget>;
  readonly #pods: Informer<Pod>;
  readonly #volumes: Volumes;
  readonly #abort = new AbortController();
  readonly #search: Search = { start: 0 };
  readonly #metrics: SchedulerMetrics;
  /** Pods that are not to be scheduled yet. */
  readonly #gated = new Set<string>();
  readonly #writes = new Set<Promise<void>>();
  /** Of pods that have a node and wait for their volumes. */
  readonly #waits = new Set<Promise<void>>();
  #state: 'syncing' | 'idle' | 'scheduled' | 'stopped' = 'syncing';

  constructor({ client, informers, log, schedulerName = 'default-scheduler' }: SchedulerOptions) {
    this.#client = client;
    this.#log = log;
    this.#name = schedulerName;
    this.#metrics = new SchedulerMetrics(schedulerName);
    this.#events = createEventRecorder(client, { component: schedulerName });
    this.#budgets = informers.informer(podDisruptionBudgets);
    this.#volumes = watchVolumes(client, informers, () => this.#queue.wake(['VolumeChanged']));
    this.#cluster = new Cluster(watchWorkloads(informers), this.#volumes);
    informers.informer(namespaces).onChange((namespace, old) => {
      this.#cluster.setNamespace(
        (namespace ?? old)?.metadata?.name ?? '',
        namespace && (namespace.metadata?.labels ?? {}),
      );
      this.#queue.wake(['NamespaceLabels']);
    });
    informers.informer(nodes).onChange((node, old) => {
      this.#cluster.setNode((node ?? old)?.metadata?.name ?? '', node);
      this.#queue.wake(nodeEvents(node, old));
    });
    this.#pods = informers.informer(pods);
    this.#pods.onChange((pod, old) => this.#onPod(pod, old));
  }

  start(): void {
    this.#state = 'idle';
    this.#wake();
  }

  async stop(): Promise<void> {
    this.#state = 'stopped';
    this.#abort.abort(new Error('the scheduler stops'));
    this.#queue.close();
    await Promise.all(this.#waits);
    await Promise.all(this.#writes);
    await this.#events.flush();
  }

  metrics(): string[] {
    const pending = { ...this.#queue.counts, gated: this.#gated.size };
    return this.#metrics.lines({ pending, ...this.#cluster.size, rejected: this.#queue.rejections });
  }

  #onPod(pod: Pod | undefined, old: Pod | undefined): void {
    // A pod of the same name that was made anew while we did not look.
    if (pod && old && pod.metadata?.uid !== old.metadata?.uid) {
      this.#onPod(undefined, old);
      this.#onPod(pod, undefined);
      return;
    }
    const events = podEvents(pod, old);
    if (!pod) {
      const uid = old?.metadata?.uid ?? '';
      this.#gated.delete(uid);
      this.#queue.remove(uid);
      this.#cluster.clearNomination(uid);
      // Also where only we knew of its place.
      const placed = this.#cluster.isPlaced(uid);
      const room = this.#cluster.nodeOf(uid);
      this.#cluster.removePod(uid);
      this.#queue.wake(placed ? ['PodRemoved'] : events, room);
      return;
    }
    if (pod.spec?.nodeName) {
      const uid = pod.metadata?.uid ?? '';
      this.#gated.delete(uid);
      this.#queue.remove(uid);
      this.#cluster.clearNomination(uid);
      if (!old || changedForScheduling(pod, old)) this.#cluster.setPod(pod);
      this.#queue.wake(events, this.#cluster.node(pod.spec.nodeName));
      return;
    }
    this.#onWaitingPod(pod, old);
  }

  #onWaitingPod(pod: Pod, old: Pod | undefined): void {
    const uid = pod.metadata?.uid ?? '';
    const ended = pod.status?.phase === 'Succeeded' || pod.status?.phase === 'Failed';
    if ((pod.spec?.schedulerName ?? this.#name) !== this.#name || this.#state === 'stopped') return;
    this.#gated.delete(uid);
    const nominatedNode = pod.status?.nominatedNodeName;
    if (nominatedNode) this.#cluster.nominate(podInfo(pod), nominatedNode);
    else if (old?.status?.nominatedNodeName) this.#cluster.clearNomination(uid);
    if (ended || pod.metadata?.deletionTimestamp !== undefined) {
      this.#queue.remove(uid);
      this.#cluster.clearNomination(uid);
    } else if (pod.spec?.schedulingGates?.length) {
      this.#gated.add(uid);
      this.#queue.remove(uid);
      this.#write(reportWaiting(this.#client, this.#log, pod, { reason: 'SchedulingGated', message: gated }));
    } else if (this.#cluster.isPlaced(uid)) return;
    else if (!this.#volumes.isReady && claimsOf(pod).length > 0) this.#afterVolumes(keyOf(pod));
    else if (!this.#queue.has(uid) || (old && changedForScheduling(pod, old))) this.#queue.add(podInfo(pod));
    else this.#queue.replace(podInfo(pod));
  }

  /** The first pod with a claim makes the scheduler look at claims. */
  #afterVolumes(key: string): void {
    this.#volumes.prepare().then(
      () => {
        const pod = this.#pods.get(key);
        if (pod && !pod.spec?.nodeName) this.#onWaitingPod(pod, undefined);
      },
      (error: unknown) => {
        if (this.#state !== 'stopped') this.#log.error('cannot read volumes', { error });
      },
    );
  }

  /** Events of one moment are taken in first, so that priorities are respected among them. */
  #wake(): void {
    if (this.#state !== 'idle') return;
    this.#state = 'scheduled';
    setImmediate(() => {
      if (this.#state !== 'scheduled') return;
      this.#state = 'idle';
      this.#run();
    });
  }

  #run(): void {
    const until = performance.now() + sliceMs;
    while (this.#writes.size < maxBindings) {
      const pod = this.#queue.next();
      if (!pod) return;
      this.#scheduleOne(pod);
      if (performance.now() > until) break;
    }
    // A full set of bindings wakes us when one is done.
    if (this.#writes.size < maxBindings) this.#wake();
  }

  #scheduleOne(pod: QueuedPod): void {
    const began = performance.now();
    try {
      const decision = schedule(pod.info, this.#cluster, this.#search);
      this.#metrics.chosen((performance.now() - began) / 1000);
      if (decision.kind === 'node') {
        this.#cluster.clearNomination(pod.info.uid);
        this.#cluster.assume(pod.info, decision.node.name);
        const volumes = this.#volumes.reserve(pod.info, decision.node.node);
        if (volumes) this.#wait(this.#bindVolumes(pod, decision.node.name, volumes, began));
        else this.#write(this.#bind(pod, decision.node.name, began));
        return;
      }
      this.#metrics.triedPreemption();
      const preemption = preempt(pod.info, this.#cluster, decision.rejections, this.#budgets.list());
      const message = unschedulableMessage(this.#cluster, decision.rejections, preemption);
      this.#queue.unschedulable(pod, decision.plugins);
      this.#events.event(pod.info.pod, 'Warning', 'FailedScheduling', message);
      const nominatedNode = preemption.kind === 'victims' ? preemption.node : undefined;
      this.#write(
        reportWaiting(this.#client, this.#log, pod.info.pod, { reason: 'Unschedulable', message, nominatedNode }),
      );
      if (preemption.kind === 'victims') this.#makeRoom(pod.info, preemption);
      this.#metrics.attempt('unschedulable', (performance.now() - began) / 1000);
    } catch (error) {
      this.#fail(pod, error, began);
    }
  }

  /** The pod is tried again when its victims are gone; until then nothing less important may take their place. */
  #makeRoom(info: PodInfo, { node, pods: victims }: Victims): void {
    for (const other of this.#cluster.nominatedBelow(info.priority, node)) {
      this.#cluster.clearNomination(other.uid);
      this.#queue.retry(other.uid);
      this.#write(this.#orLog(clearNominatedNode(this.#client, other), other));
    }
    this.#cluster.nominate(info, node);
    this.#metrics.preempted(victims.length);
    for (const victim of victims) {
      const message = `Preempted by pod ${info.uid} on node ${node}`;
      this.#events.event(victim.pod, 'Normal', 'Preempted', message);
      this.#write(this.#orLog(evictVictim(this.#client, victim), victim));
    }
  }

  async #orLog(request: Promise<void>, { namespace, name }: PodInfo): Promise<void> {
    try {
      await request;
    } catch (error) {
      this.#log.warn('preemption not written', { pod: `${namespace}/${name}`, reason: messageOf(error) });
    }
  }

  async #bind(pod: QueuedPod, node: string, began: number): Promise<void> {
    const { info } = pod;
    try {
      await bind(this.#client, info, node);
      this.#metrics.attempt('scheduled', (performance.now() - began) / 1000);
      this.#metrics.scheduled(pod.attempts, (performance.now() - pod.since) / 1000);
      this.#events.event(
        info.pod,
        'Normal',
        'Scheduled',
        `Successfully assigned ${info.namespace}/${info.name} to ${node}`,
      );
    } catch (error) {
      this.#takeBack(pod, error, began);
    }
  }

  /** Waiting for volumes may take minutes, and holds up nobody else. */
  async #bindVolumes(pod: QueuedPod, node: string, volumes: Reservation, began: number): Promise<void> {
    try {
      await volumes.bind(this.#abort.signal);
      this.#write(this.#bind(pod, node, began));
    } catch (error) {
      if (this.#state !== 'stopped') this.#takeBack(pod, error, began);
    } finally {
      volumes.release();
    }
  }

  #takeBack(pod: QueuedPod, error: unknown, began: number): void {
    this.#cluster.forget(pod.info.uid);
    this.#queue.wake(['PodRemoved']);
    if (!isNotFound(error)) this.#fail(pod, error, began);
  }

  #fail(pod: QueuedPod, error: unknown, began: number): void {
    const { info } = pod;
    this.#metrics.attempt('error', (performance.now() - began) / 1000);
    const message = messageOf(error);
    this.#log.warn('not scheduled', { pod: `${info.namespace}/${info.name}`, reason: message });
    if (this.#state === 'stopped' || this.#cluster.isPlaced(info.uid)) return;
    this.#queue.failed(pod);
    this.#events.event(info.pod, 'Warning', 'FailedScheduling', message);
    this.#write(reportWaiting(this.#client, this.#log, info.pod, { reason: 'SchedulerError', message }));
  }

  #wait(waiting: Promise<void>): void {
    this.#waits.add(waiting);
    waiting.finally(() => this.#waits.delete(waiting));
  }

  #write(writing: Promise<void>): void {
    this.#writes.add(writing);
    writing.finally(() => {
      this.#writes.delete(writing);
      this.#wake();
    });
  }
}
