import type { Container, Pod, PodStatus } from '../api/types.ts';
import { messageOf } from '../base/errors.ts';
import { soonest } from '../base/soonest.ts';
import { Backoff } from '../client/backoff.ts';
import { StartError, startContainer } from './container-start.ts';
import { endContainer, gracePeriod, stopContainer } from './container-stop.ts';
import type { KubeletContext } from './context.ts';
import { type PodSandboxConfig, sandboxState } from './cri/messages.ts';
import type { FieldSource } from './fields.ts';
import { writeHostsFile } from './mounts.ts';
import { asksTheSame, hasEnded, tellsTheSame, untilDeadline } from './pod-change.ts';
import type { KubeletCondition } from './pod-conditions.ts';
import { deleteObject, type Eviction, endPod, pruneContainers, removeRemains } from './pod-end.ts';
import { PodInspector, podIPsOf } from './pod-inspector.ts';
import { isStarting, planPod } from './pod-plan.ts';
import { type PodRuntime, readySandbox } from './pod-runtime.ts';
import { PodVolumes } from './pod-volumes.ts';
import { PodResize } from './resize.ts';
import { type Removed, resetContainers } from './restart-all.ts';
import { podHostname } from './sandbox-config.ts';
import { configOfSandbox, endSandboxes, startSandbox } from './sandbox-start.ts';
import { isSidecar } from './sidecar.ts';
import { podStatus, rejectedStatus, timeNow, type Waiting } from './status.ts';
import { createStatusWriter } from './status-writer.ts';
import type { VolumePaths } from './volumes/volumes.ts';

/** Brings one pod of the node to what its object asks for; does one thing after the other, whatever wakes it. */
export interface PodWorker {
  /** The pod as the API server has it now; `gone` where it has it no more (then `pod` is the last that was seen). */
  update(pod: Pod | undefined, gone: boolean): void;
  /** Something of the pod may have changed: looks at all of it again. */
  wake(): void;
  /** Wakes where the runtime's listing of the pod is not what was last seen, or where the last round has failed. */
  check(listed: readonly { readonly id: string; readonly state: number }[]): void;
  /** The pod as it was last seen. */
  readonly pod: Pod | undefined;
  /** Whether the pod has ended for good, which the API server may not have said yet. */
  readonly isOver: boolean;
  /** A container or sandbox has ended: wakes if it is, or may be, one of the pod's. */
  ended(id: string): void;
  /** Tells all of the pod's state again, to whom nothing was told. */
  tellAgain(): void;
  /** Ends the pod for good, whatever its restart policy; resolves when nothing of it runs any more. */
  evict(eviction: Eviction): Promise<void>;
  /** Leaves the containers as they are. */
  stop(): Promise<void>;
}

/** Soon at first, and less often the longer it fails. */
const RETRY = { firstMs: 100, maxMs: 10_000 };
/** Longer timers fire at once. */
const MAX_TIMER_MS = 2 ** 31 - 1;
/** How often a resize that the node had no room for is tried. */
const RESIZE_RETRY_MS = 10_000;

/** `isNew`: the runtime holds nothing of the pod. */
export function createPodWorker(
  kubelet: KubeletContext,
  { uid, isNew }: { readonly uid: string; readonly isNew: boolean },
  done: () => void,
): PodWorker {
  return new Worker(kubelet, uid, isNew, done);
}

class Worker implements PodWorker {
  pod: Pod | undefined;
  readonly #kubelet: KubeletContext;
  readonly #uid: string;
  readonly #done: () => void;
  readonly #waiting = new Map<string, Waiting>();
  #removed: ReadonlyMap<string, Removed> = new Map();
  readonly #status;
  readonly #resize: PodResize;
  #gone = false;
  #stopped = false;
  #dirty = false;
  #failing = false;
  #running: Promise<void> | undefined;
  #abort = new AbortController();
  #timer: NodeJS.Timeout | undefined;
  readonly #retry = new Backoff(RETRY);
  readonly #inspector: PodInspector;
  readonly #volumes: PodVolumes;
  #sandboxConfig: PodSandboxConfig | undefined;
  #eviction: Eviction | undefined;
  readonly #evicted = Promise.withResolvers<void>();
  #admission: 'unknown' | 'admitted' | 'rejected' = 'unknown';
  /** Seconds that the containers being ended were given, while they are. */
  #grace: number | undefined;
  #failed = false;
  /** When the node took the pod, unless the pod says so itself. */
  readonly #began = timeNow();

  constructor(kubelet: KubeletContext, uid: string, isNew: boolean, done: () => void) {
    this.#kubelet = kubelet;
    this.#uid = uid;
    this.#done = done;
    this.#status = createStatusWriter(kubelet.client, kubelet.log, (before, now) =>
      kubelet.terminations.note(before, now),
    );
    this.#resize = new PodResize(kubelet);
    this.#volumes = new PodVolumes(kubelet);
    this.#inspector = new PodInspector(kubelet, {
      uid,
      isNew,
      pod: () => this.pod,
      isEnding: () => this.#ending,
      running: (ids) => this.#resize.forget(ids),
    });
  }

  update(pod: Pod | undefined, gone: boolean): void {
    const before = this.pod;
    this.pod = pod ?? this.pod;
    this.#gone = gone;
    if (!gone && before && pod && asksTheSame(before, pod)) {
      // Of a node that is not ready others say so of its pods too.
      if (this.#kubelet.nodeIsReady() && this.#status.isContradictedBy(pod)) this.tellAgain();
      return;
    }
    if (before && pod && !tellsTheSame(before, pod)) this.#volumes.expire();
    if (this.#ending) {
      this.#abort.abort(new Error('the pod is being deleted'));
      this.#hurry(this.pod?.metadata?.deletionGracePeriodSeconds);
    }
    this.wake();
  }

  check(listed: readonly { readonly id: string; readonly state: number }[]): void {
    if (this.#failing || !this.#inspector.isAsListed(listed)) this.wake();
  }

  wake(): void {
    if (this.#stopped) return;
    this.#dirty = true;
    if (this.#grace !== undefined) this.#reportEnding();
    this.#running ??= this.#work().finally(() => {
      this.#running = undefined;
      // Who woke it after its last look, and before this, must not be forgotten.
      if (this.#dirty) this.wake();
    });
  }

  ended(id: string): void {
    this.#inspector.doubt();
    // What a round that goes on is starting is not known yet. Who is being ended starts nothing.
    if (this.#inspector.knows(id) || (this.#running && this.#grace === undefined)) this.wake();
  }

  tellAgain(): void {
    this.#status.forget();
    this.wake();
  }

  async evict(eviction: Eviction): Promise<void> {
    this.#eviction ??= eviction;
    this.#hurry(eviction.graceSeconds);
    this.#abort.abort(new Error('the pod is being evicted'));
    this.wake();
    await this.#evicted.promise;
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    this.#evicted.resolve();
    clearTimeout(this.#timer);
    this.#abort.abort(new Error('the kubelet stops'));
    this.#status.stop();
    await this.#running;
  }

  get isOver(): boolean {
    return this.#failed || hasEnded(this.pod?.status?.phase);
  }

  get #ending(): boolean {
    return this.#gone || this.pod?.metadata?.deletionTimestamp !== undefined;
  }

  async #work(): Promise<void> {
    while (this.#dirty && !this.#stopped) {
      this.#dirty = false;
      clearTimeout(this.#timer);
      this.#abort = new AbortController();
      try {
        const again = await this.#sync(this.#abort.signal);
        if (this.#waiting.size === 0) this.#retry.reset();
        this.#failing = false;
        if (again !== undefined) this.#wakeIn(again);
      } catch (error) {
        if (this.#abort.signal.aborted) {
          this.#dirty = true;
          continue;
        }
        this.#failing = true;
        this.#kubelet.log.warn('cannot bring a pod to its state yet', { pod: this.#name, error: messageOf(error) });
        this.#wakeIn(this.#retry.next());
      }
    }
  }

  #wakeIn(ms: number): void {
    if (this.#stopped) return;
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.wake(), Math.min(ms, MAX_TIMER_MS));
    this.#timer.unref();
  }

  /** One look at the pod; resolves to the time in ms after which to look again, if it is known. */
  async #sync(signal: AbortSignal): Promise<number | undefined> {
    const runtime = await this.#inspector.look();
    const { pod } = this;
    if (this.#ending || !pod) return await this.#terminate(runtime);
    if (hasEnded(pod.status?.phase)) return await this.#release(runtime);
    if (this.#eviction) return await this.#evict(pod, runtime, this.#eviction);
    if (!(await this.#mayRun(pod, runtime))) return undefined;
    const deadline = untilDeadline(pod, Date.now());
    if (deadline !== undefined && deadline <= 0) return await this.#exceedDeadline(pod, runtime);
    const plan = planPod(pod, runtime, this.#kubelet.prober);
    this.#report(pod, runtime, { isPassing: isStarting(pod, plan) });
    if (plan.kind === 'finished') return await this.#release(runtime);
    if (plan.kind === 'restart-all') {
      this.#removed = await resetContainers(this.#kubelet, pod, runtime, plan.remove);
      this.#dirty = true;
      return undefined;
    }
    if (plan.kind === 'create-sandbox') {
      await this.#createSandbox(pod, runtime, plan.attempt, signal);
      this.#dirty = true;
      return undefined;
    }
    if (plan.kill.length > 0) {
      const podIP = runtime.podIPs[0] ?? '';
      await Promise.all(
        plan.kill.map(({ record, message, graceSeconds = gracePeriod(pod, []) }) =>
          stopContainer(this.#kubelet, { pod, record, message, graceSeconds, podIP }),
        ),
      );
      this.#dirty = true;
      return undefined;
    }
    if (await this.#resize.apply(pod, runtime, gracePeriod(pod, []))) {
      this.#dirty = true;
      return undefined;
    }
    const volumes = await this.#volumes.paths(pod, this.#fields(pod, runtime));
    const { retry, started } = await this.#start(pod, runtime, plan.start, volumes, signal);
    // What waits for a sidecar may be started now.
    if (retry === undefined && plan.start.some(isSidecar)) this.#dirty = true;
    const allRun = started.length === plan.start.length;
    const after = await (allRun ? this.#inspector.lookAt(started, runtime) : this.#inspector.look());
    this.#inspector.forget(await pruneContainers(this.#kubelet, after));
    this.#report(pod, after);
    const resize = this.#resize.condition ? RESIZE_RETRY_MS : undefined;
    return soonest([retry, this.#volumes.dueIn(pod), deadline, resize]);
  }

  /** Asked once: what ran before stays, whatever the node has become. */
  async #mayRun(pod: Pod, runtime: PodRuntime): Promise<boolean> {
    if (this.#admission === 'unknown') {
      const isKnown = pod.status?.startTime !== undefined || runtime.sandboxes.length > 0;
      const rejection = isKnown ? undefined : await this.#kubelet.gate.admit(pod);
      this.#admission = rejection ? 'rejected' : 'admitted';
      if (rejection) {
        this.#kubelet.events.pod(pod, 'Warning', rejection.reason, rejection.message);
        this.#status.write(pod, rejectedStatus(pod, rejection, timeNow()));
      }
    }
    return this.#admission === 'admitted';
  }

  #fields(pod: Pod, runtime: PodRuntime): FieldSource {
    const { nodeIPs, allocatable } = this.#kubelet;
    return { pod, podIPs: podIPsOf(this.#kubelet, pod, runtime), hostIPs: nodeIPs, allocatable };
  }

  async #createSandbox(pod: Pod, runtime: PodRuntime, attempt: number, signal: AbortSignal): Promise<void> {
    await this.#kubelet.imagesReady;
    await endSandboxes(this.#kubelet, pod, runtime.sandboxes);
    // Side by side: most of the time is the sandbox's network.
    const [sandbox, volumes] = await Promise.allSettled([
      startSandbox(this.#kubelet, pod, attempt),
      this.#volumes.paths(pod, this.#fields(pod, runtime)),
    ]);
    if (sandbox.status === 'rejected') throw sandbox.reason;
    if (volumes.status === 'rejected') throw volumes.reason;
    signal.throwIfAborted();
    this.#sandboxConfig = sandbox.value.config;
    if (runtime.sandboxes.length > 0) return;
    await this.#inspector.madeSandbox(sandbox.value.id);
  }

  /** Resolves to what was started, and to the time after which what could not be may be tried again. */
  async #start(
    pod: Pod,
    runtime: PodRuntime,
    containers: readonly Container[],
    volumes: VolumePaths,
    signal: AbortSignal,
  ): Promise<{ retry: number | undefined; started: readonly string[] }> {
    const hostNetwork = pod.spec?.hostNetwork === true;
    const sandbox = readySandbox(runtime, hostNetwork);
    const started: string[] = [];
    if (!sandbox || containers.length === 0) return { retry: undefined, started };
    this.#sandboxConfig ??= await configOfSandbox(this.#kubelet, pod, sandbox.metadata?.attempt ?? 0);
    const config = this.#sandboxConfig;
    const fields = this.#fields(pod, runtime);
    if (!hostNetwork) await this.#kubelet.podStarts(pod, fields.podIPs);
    const names = podHostname(pod, this.#kubelet.dns.domain);
    await writeHostsFile(pod, { ...names, podIPs: fields.podIPs }, this.#kubelet.paths);
    let retry: number | undefined;
    for (const container of containers) {
      try {
        const removed = this.#removed.get(container.name);
        const start = { pod, runtime, removed, sandboxId: sandbox.id, sandboxConfig: config, volumes, fields, signal };
        started.push(await startContainer(this.#kubelet, container, start));
        this.#waiting.delete(container.name);
      } catch (error) {
        if (!(error instanceof StartError)) throw error;
        this.#waiting.set(container.name, { reason: error.reason, message: error.message });
        retry = soonest([retry, error.retryMs ?? this.#retry.next()]);
      }
    }
    return { retry, started };
  }

  #report(pod: Pod, runtime: PodRuntime, how: Report = {}): void {
    const { terminated = false, verdict = {}, condition, isPassing } = how;
    const status = podStatus({
      pod,
      runtime,
      terminated,
      probes: this.#kubelet.prober,
      waiting: this.#waiting,
      messages: this.#inspector.messages,
      removed: this.#removed,
      resize: this.#resize,
      extra: condition,
      hostIPs: this.#kubelet.nodeIPs,
      now: timeNow(),
      began: this.#began,
    });
    this.#status.write(pod, { ...status, ...verdict }, isPassing);
  }

  /** A pod that is being ended may take minutes over it, and whether it is ready is told all that time. */
  #reportEnding(): void {
    const { pod } = this;
    if (pod && !this.#gone && !hasEnded(pod.status?.phase)) this.#report(pod, this.#inspector.runtime);
  }

  /** A pod that has ended keeps its containers, for their logs, and gives its network and volumes back. */
  async #release(runtime: PodRuntime): Promise<undefined> {
    await this.#endAll(runtime);
    if (runtime.sandboxes.some(({ state }) => state === sandboxState.ready)) await this.#inspector.look();
    await this.#volumes.release(this.#uid);
    return undefined;
  }

  /** A pod may run for `activeDeadlineSeconds` and no longer. */
  async #exceedDeadline(pod: Pod, runtime: PodRuntime): Promise<undefined> {
    const message = 'Pod was active on the node longer than the specified deadline';
    this.#kubelet.events.pod(pod, 'Normal', 'DeadlineExceeded', message);
    return await this.#fail(pod, runtime, { reason: 'DeadlineExceeded', message });
  }

  async #evict(pod: Pod, runtime: PodRuntime, eviction: Eviction): Promise<undefined> {
    const { message, disruption, reason, graceSeconds, maySucceed = false } = eviction;
    const target = { type: 'DisruptionTarget', status: 'True', reason: 'TerminationByKubelet' };
    const condition = disruption === undefined ? undefined : { ...target, message: disruption };
    const how = { graceSeconds, maySucceed, condition };
    await this.#fail(pod, runtime, { reason, message }, how);
    this.#evicted.resolve();
    return undefined;
  }

  /** Ends all of a pod, and its phase with it. */
  async #fail(
    pod: Pod,
    runtime: PodRuntime,
    verdict: Pick<PodStatus, 'reason' | 'message'>,
    {
      graceSeconds,
      maySucceed = false,
      condition,
    }: { graceSeconds?: number; maySucceed?: boolean; condition?: KubeletCondition } = {},
  ): Promise<undefined> {
    await this.#endAll(runtime, graceSeconds);
    const phase = maySucceed ? {} : { phase: 'Failed' };
    const how = { terminated: true, verdict: { ...phase, ...verdict }, condition };
    this.#report(pod, await this.#inspector.look(), how);
    await this.#status.flush();
    await this.#volumes.release(this.#uid);
    this.#failed = true;
    return undefined;
  }

  async #endAll(runtime: PodRuntime, atMost = Number.POSITIVE_INFINITY): Promise<void> {
    this.#grace = Math.min(atMost, gracePeriod(this.pod, runtime.containers));
    this.#kubelet.prober.ending(this.#uid);
    try {
      await endPod(this.#kubelet, this.pod, runtime, this.#grace);
    } finally {
      this.#grace = undefined;
    }
  }

  /** A shorter grace period holds at once, for containers that are being ended too. */
  #hurry(grace: number | undefined): void {
    if (this.#grace === undefined || grace === undefined || grace >= this.#grace) return;
    this.#grace = grace;
    for (const record of this.#inspector.runtime.containers) {
      if (record.state !== 'running') continue;
      endContainer(this.#kubelet, record.id, grace).catch((error: unknown) => {
        this.#kubelet.log.warn('cannot end a container', { pod: this.#name, error: messageOf(error) });
      });
    }
  }

  /** Ends the pod, reports its end, removes what it has left, and lets its object go: in this order. */
  async #terminate(runtime: PodRuntime): Promise<undefined> {
    await this.#endAll(runtime);
    const after = await this.#inspector.look();
    const { pod } = this;
    if (pod && !this.#gone) {
      if (!hasEnded(pod.status?.phase)) this.#report(pod, after, { terminated: true });
      await this.#status.flush();
    }
    await removeRemains(this.#kubelet, this.#uid, pod, after);
    if (pod && !this.#gone) await deleteObject(this.#kubelet.client, pod);
    this.#stopped = true;
    this.#evicted.resolve();
    this.#done();
    return undefined;
  }

  get #name(): string {
    const { name, namespace } = this.pod?.metadata ?? {};
    return name ? `${namespace}/${name}` : this.#uid;
  }
}

interface Report {
  readonly terminated?: boolean;
  readonly verdict?: Partial<PodStatus>;
  readonly condition?: KubeletCondition | undefined;
  /** It will be another one in a moment. */
  readonly isPassing?: boolean;
}
