import { mkdir, readFile } from 'node:fs/promises';
import { runtimeClasses } from '../api/resource.ts';
import type { Container, Pod, PodStatus } from '../api/types.ts';
import { messageOf } from '../base/errors.ts';
import { StartError, startContainer } from './container-start.ts';
import { endContainer, gracePeriod, stopContainer } from './container-stop.ts';
import type { KubeletContext } from './context.ts';
import type { PodSandboxConfig } from './cri/messages.ts';
import { sandboxState } from './cri/messages.ts';
import type { FieldSource } from './fields.ts';
import { writeHostsFile } from './mounts.ts';
import { asksTheSame, hasEnded, untilDeadline } from './pod-change.ts';
import { podDNS } from './pod-dns.ts';
import { deleteObject, endPod, pruneContainers, removeRemains } from './pod-end.ts';
import { planPod } from './pod-plan.ts';
import { emptyRuntime, inspectPod, isUnchanged, type PodRuntime, readySandbox } from './pod-runtime.ts';
import { PodResize } from './resize.ts';
import { podHostname, sandboxConfig } from './sandbox-config.ts';
import { podStatus, type Waiting } from './status.ts';
import { createStatusWriter } from './status-writer.ts';
import { terminationMessage } from './termination-message.ts';
import { hasChangingVolumes, prepareVolumes, type VolumePaths } from './volumes/volumes.ts';

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
  /** A container or sandbox has ended: wakes if it is, or may be, one of the pod's. */
  ended(id: string): void;
  /** Leaves the containers as they are. */
  stop(): Promise<void>;
}

const FIRST_RETRY_MS = 100;
const MAX_RETRY_MS = 10_000;
/** Longer timers fire at once. */
const MAX_TIMER_MS = 2 ** 31 - 1;
/** How often configMap, secret and token volumes are brought up to date; a tenth is added by chance. */
const REFRESH_MS = 60_000;
/** How often a resize that the node had no room for is tried. */
const RESIZE_RETRY_MS = 10_000;

export function createPodWorker(kubelet: KubeletContext, uid: string, done: () => void): PodWorker {
  return new Worker(kubelet, uid, done);
}

class Worker implements PodWorker {
  pod: Pod | undefined;
  readonly #kubelet: KubeletContext;
  readonly #uid: string;
  readonly #done: () => void;
  readonly #waiting = new Map<string, Waiting>();
  readonly #messages = new Map<string, string>();
  readonly #status;
  readonly #resize: PodResize;
  #gone = false;
  #stopped = false;
  #dirty = false;
  #failing = false;
  #running: Promise<void> | undefined;
  #abort = new AbortController();
  #timer: NodeJS.Timeout | undefined;
  #retryMs = FIRST_RETRY_MS;
  #runtime: PodRuntime;
  #volumes: VolumePaths | undefined;
  #refreshAt = 0;
  /** Seconds that the containers being ended were given. */
  #grace: number | undefined;

  constructor(kubelet: KubeletContext, uid: string, done: () => void) {
    this.#kubelet = kubelet;
    this.#uid = uid;
    this.#done = done;
    this.#runtime = emptyRuntime(uid);
    this.#status = createStatusWriter(kubelet.client, kubelet.log);
    this.#resize = new PodResize(kubelet);
  }

  update(pod: Pod | undefined, gone: boolean): void {
    const before = this.pod;
    this.pod = pod ?? this.pod;
    this.#gone = gone;
    if (!gone && before && pod && asksTheSame(before, pod)) return;
    if (this.#ending) {
      this.#abort.abort(new Error('the pod is being deleted'));
      this.#hurry();
    }
    this.wake();
  }

  check(listed: readonly { readonly id: string; readonly state: number }[]): void {
    if (this.#failing || !isUnchanged(this.#runtime, listed)) this.wake();
  }

  wake(): void {
    if (this.#stopped) return;
    this.#dirty = true;
    this.#running ??= this.#work().finally(() => {
      this.#running = undefined;
    });
  }

  ended(id: string): void {
    const { containers, sandboxes } = this.#runtime;
    const known = containers.some((record) => record.id === id) || sandboxes.some((sandbox) => sandbox.id === id);
    // What a round that goes on is starting has no place in #runtime yet.
    if (known || this.#running) this.wake();
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    clearTimeout(this.#timer);
    this.#abort.abort(new Error('the kubelet stops'));
    this.#status.stop();
    await this.#running;
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
        if (this.#waiting.size === 0) this.#retryMs = FIRST_RETRY_MS;
        this.#failing = false;
        if (again !== undefined) this.#wakeIn(again);
      } catch (error) {
        if (this.#abort.signal.aborted) {
          this.#dirty = true;
          continue;
        }
        this.#failing = true;
        this.#kubelet.log.warn('cannot bring a pod to its state yet', { pod: this.#name, error: messageOf(error) });
        this.#wakeIn(this.#nextRetry());
      }
    }
  }

  /** Soon at first, and less often the longer it fails. */
  #nextRetry(): number {
    const retryMs = this.#retryMs;
    this.#retryMs = Math.min(MAX_RETRY_MS, retryMs * 2);
    return retryMs;
  }

  #wakeIn(ms: number): void {
    if (this.#stopped) return;
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.wake(), Math.min(ms, MAX_TIMER_MS));
    this.#timer.unref();
  }

  /** One look at the pod; resolves to the time in ms after which to look again, if it is known. */
  async #sync(signal: AbortSignal): Promise<number | undefined> {
    const runtime = await this.#inspect();
    const { pod } = this;
    if (this.#ending || !pod) return await this.#terminate(runtime);
    if (hasEnded(pod.status?.phase)) return await this.#release(runtime);
    const deadline = untilDeadline(pod, Date.now());
    if (deadline !== undefined && deadline <= 0) return await this.#exceedDeadline(pod, runtime);
    this.#report(pod, runtime);
    const plan = planPod(pod, runtime, this.#kubelet.prober);
    if (plan.kind === 'finished') return await this.#release(runtime);
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
    const volumes = await this.#freshVolumes(pod, runtime);
    const retry = await this.#start(pod, runtime, plan.start, volumes, signal);
    const after = plan.start.length > 0 ? await this.#inspect() : runtime;
    for (const id of await pruneContainers(this.#kubelet, after)) this.#messages.delete(id);
    this.#report(pod, after);
    const refresh = hasChangingVolumes(pod) ? Math.max(1, this.#refreshAt - Date.now()) : undefined;
    const resize = this.#resize.condition ? RESIZE_RETRY_MS : undefined;
    return soonest([retry, refresh, deadline, resize]);
  }

  async #inspect(): Promise<PodRuntime> {
    const { cri, exited, paths, prober } = this.#kubelet;
    const runtime = await inspectPod(cri, this.#uid, exited);
    this.#runtime = runtime;
    const { name = '', namespace = '' } = this.pod?.metadata ?? {};
    const home = { uid: this.#uid, logDirectory: paths.podLogs(namespace, name, this.#uid) };
    for (const record of runtime.containers) {
      if (record.state !== 'exited' || this.#messages.has(record.id)) continue;
      this.#messages.set(record.id, await terminationMessage(record, home, paths));
    }
    const running = runtime.containers.filter(({ state }) => state === 'running');
    const ids = new Set(running.map(({ id }) => id));
    prober.keep(this.#uid, ids);
    this.#resize.forget(ids);
    if (this.pod && !this.#ending) this.#probe(this.pod, runtime);
    return runtime;
  }

  #probe(pod: Pod, runtime: PodRuntime): void {
    const reported = [...(pod.status?.containerStatuses ?? []), ...(pod.status?.initContainerStatuses ?? [])];
    const podIP = this.#podIPs(pod, runtime)[0] ?? '';
    for (const container of [...(pod.spec?.containers ?? []), ...(pod.spec?.initContainers ?? [])]) {
      const record = runtime.containers.find(({ name, state }) => name === container.name && state === 'running');
      if (!record) continue;
      const status = reported.find(({ containerID }) => containerID === `containerd://${record.id}`);
      const was = { started: status?.started === true, ready: status?.ready === true };
      this.#kubelet.prober.watch(pod, container, record, podIP, was);
    }
  }

  #podIPs(pod: Pod, runtime: PodRuntime): readonly string[] {
    return pod.spec?.hostNetwork ? this.#kubelet.nodeIPs : runtime.podIPs;
  }

  #fields(pod: Pod, runtime: PodRuntime): FieldSource {
    const { nodeIPs, allocatable } = this.#kubelet;
    return { pod, podIPs: this.#podIPs(pod, runtime), hostIPs: nodeIPs, allocatable };
  }

  async #freshVolumes(pod: Pod, runtime: PodRuntime): Promise<VolumePaths> {
    if (this.#volumes && Date.now() < this.#refreshAt) return this.#volumes;
    const { config, tokens, claims, paths, events } = this.#kubelet;
    try {
      this.#volumes = await prepareVolumes(pod, paths, { fields: this.#fields(pod, runtime), config, tokens, claims });
    } catch (error) {
      events.pod(pod, 'Warning', 'FailedMount', messageOf(error));
      // Volumes that were there once go on as they are, whatever has become of their sources.
      if (!this.#volumes) throw error;
    }
    this.#refreshAt = Date.now() + REFRESH_MS * (1 + Math.random() / 10);
    return this.#volumes;
  }

  async #sandboxConfig(pod: Pod, attempt: number): Promise<PodSandboxConfig> {
    const { paths, cgroupParent, dns } = this.#kubelet;
    const resolv = await readFile('/etc/resolv.conf', 'utf8').catch(() => '');
    return sandboxConfig(pod, attempt, {
      paths,
      cgroupParent,
      clusterDomain: dns.domain,
      dns: podDNS(pod, dns, resolv),
    });
  }

  async #createSandbox(pod: Pod, runtime: PodRuntime, attempt: number, signal: AbortSignal): Promise<void> {
    const { cri, events, paths, imagesReady } = this.#kubelet;
    await imagesReady;
    for (const sandbox of runtime.sandboxes) await cri.stopPodSandbox(sandbox.id);
    const config = await this.#sandboxConfig(pod, attempt);
    await mkdir(config.logDirectory ?? paths.logs, { recursive: true });
    const sandbox = this.#runSandbox(pod, config).catch((error: unknown) => {
      events.pod(pod, 'Warning', 'FailedCreatePodSandBox', `Failed to create pod sandbox: ${messageOf(error)}`);
      throw error;
    });
    // Side by side: most of the time is the sandbox's network.
    const results = await Promise.allSettled([sandbox, this.#freshVolumes(pod, runtime)]);
    for (const result of results) if (result.status === 'rejected') throw result.reason;
    signal.throwIfAborted();
  }

  async #runSandbox(pod: Pod, config: PodSandboxConfig): Promise<string> {
    const { client, cri } = this.#kubelet;
    const name = pod.spec?.runtimeClassName;
    return await cri.runPodSandbox(config, name ? (await client.get(runtimeClasses, { name })).handler : undefined);
  }

  /** Resolves to the time after which what could not be started may be tried again. */
  async #start(
    pod: Pod,
    runtime: PodRuntime,
    containers: readonly Container[],
    volumes: VolumePaths,
    signal: AbortSignal,
  ): Promise<number | undefined> {
    const hostNetwork = pod.spec?.hostNetwork === true;
    const sandbox = readySandbox(runtime, hostNetwork);
    if (!sandbox || containers.length === 0) return undefined;
    const config = await this.#sandboxConfig(pod, sandbox.metadata?.attempt ?? 0);
    const fields = this.#fields(pod, runtime);
    if (!hostNetwork) await this.#kubelet.podStarts(pod, fields.podIPs);
    const names = podHostname(pod, this.#kubelet.dns.domain);
    await writeHostsFile(pod, { ...names, podIPs: fields.podIPs }, this.#kubelet.paths);
    let retry: number | undefined;
    for (const container of containers) {
      try {
        const start = { pod, runtime, sandboxId: sandbox.id, sandboxConfig: config, volumes, fields, signal };
        await startContainer(this.#kubelet, container, start);
        this.#waiting.delete(container.name);
      } catch (error) {
        if (!(error instanceof StartError)) throw error;
        this.#waiting.set(container.name, { reason: error.reason, message: error.message });
        retry = soonest([retry, error.retryMs ?? this.#nextRetry()]);
      }
    }
    return retry;
  }

  #report(pod: Pod, runtime: PodRuntime, terminated = false, verdict: Partial<PodStatus> = {}): void {
    const status = podStatus({
      pod,
      runtime,
      terminated,
      probes: this.#kubelet.prober,
      waiting: this.#waiting,
      messages: this.#messages,
      resize: this.#resize,
      hostIPs: this.#kubelet.nodeIPs,
      now: `${new Date().toISOString().slice(0, 19)}Z`,
    });
    this.#status.write(pod, { ...status, ...verdict });
  }

  /** A pod that has ended keeps its containers, for their logs, and gives its network back. */
  async #release(runtime: PodRuntime): Promise<undefined> {
    await this.#endAll(runtime);
    if (runtime.sandboxes.some(({ state }) => state === sandboxState.ready)) await this.#inspect();
    return undefined;
  }

  /** A pod may run for `activeDeadlineSeconds` and no longer. */
  async #exceedDeadline(pod: Pod, runtime: PodRuntime): Promise<undefined> {
    const message = 'Pod was active on the node longer than the specified deadline';
    this.#kubelet.events.pod(pod, 'Normal', 'DeadlineExceeded', message);
    await this.#endAll(runtime);
    this.#report(pod, await this.#inspect(), true, { phase: 'Failed', reason: 'DeadlineExceeded', message });
    await this.#status.flush();
    return undefined;
  }

  async #endAll(runtime: PodRuntime): Promise<void> {
    this.#grace = gracePeriod(this.pod, runtime.containers);
    await endPod(this.#kubelet, this.pod, runtime, this.#grace);
  }

  /** A shorter grace period holds at once, for containers that are being ended too. */
  #hurry(): void {
    const grace = this.pod?.metadata?.deletionGracePeriodSeconds;
    if (this.#grace === undefined || grace === undefined || grace >= this.#grace) return;
    this.#grace = grace;
    for (const record of this.#runtime.containers) {
      if (record.state !== 'running') continue;
      endContainer(this.#kubelet, record.id, grace).catch((error: unknown) => {
        this.#kubelet.log.warn('cannot end a container', { pod: this.#name, error: messageOf(error) });
      });
    }
  }

  /** Ends the pod, reports its end, removes what it has left, and lets its object go: in this order. */
  async #terminate(runtime: PodRuntime): Promise<undefined> {
    await this.#endAll(runtime);
    const after = await this.#inspect();
    const { pod } = this;
    if (pod && !this.#gone) {
      if (!hasEnded(pod.status?.phase)) this.#report(pod, after, true);
      await this.#status.flush();
    }
    await removeRemains(this.#kubelet, this.#uid, pod, after);
    if (pod && !this.#gone) await deleteObject(this.#kubelet.client, pod);
    this.#stopped = true;
    this.#done();
    return undefined;
  }

  get #name(): string {
    const { name, namespace } = this.pod?.metadata ?? {};
    return name ? `${namespace}/${name}` : this.#uid;
  }
}

function soonest(times: readonly (number | undefined)[]): number | undefined {
  const known = times.filter((time) => time !== undefined);
  return known.length > 0 ? Math.min(...known) : undefined;
}
