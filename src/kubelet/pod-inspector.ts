import type { Pod } from '../api/types.ts';
import type { KubeletContext } from './context.ts';
import { emptyRuntime, inspectPod, isUnchanged, type PodRuntime, withContainers, withSandbox } from './pod-runtime.ts';
import { terminationMessage } from './termination-message.ts';

/** Whose containers are looked at, and how it is asked for now. */
export interface Inspected {
  readonly uid: string;
  /** The runtime holds nothing of the pod yet. */
  readonly isNew: boolean;
  pod(): Pod | undefined;
  /** Nobody asks any more whether its containers live. */
  isEnding(): boolean;
  /** Which containers run, after each look. */
  running(ids: ReadonlySet<string>): void;
}

/** What the runtime holds of one pod, as it was last seen. Each look has the containers that run probed. */
export class PodInspector {
  readonly #kubelet: KubeletContext;
  readonly #inspected: Inspected;
  readonly #messages = new Map<string, string>();
  #runtime: PodRuntime;
  /** What was made here a moment ago: it is believed once. */
  #made: PodRuntime | undefined;

  constructor(kubelet: KubeletContext, inspected: Inspected) {
    this.#kubelet = kubelet;
    this.#inspected = inspected;
    this.#runtime = emptyRuntime(inspected.uid);
    if (inspected.isNew) this.#made = this.#runtime;
  }

  /** As it was last seen. */
  get runtime(): PodRuntime {
    return this.#runtime;
  }

  /** Termination messages by container id. */
  get messages(): ReadonlyMap<string, string> {
    return this.#messages;
  }

  /** Whether a listing of the runtime shows what was last seen. */
  isAsListed(listed: readonly { readonly id: string; readonly state: number }[]): boolean {
    return isUnchanged(this.#runtime, listed);
  }

  knows(id: string): boolean {
    const { containers, sandboxes } = this.#runtime;
    return containers.some((record) => record.id === id) || sandboxes.some((sandbox) => sandbox.id === id);
  }

  /** Something has changed: the next look asks the runtime. */
  doubt(): void {
    this.#made = undefined;
  }

  async look(): Promise<PodRuntime> {
    const { cri, exited, addresses } = this.#kubelet;
    const made = this.#made;
    this.#made = undefined;
    return await this.#take(made ?? (await inspectPod(cri, this.#inspected.uid, exited, addresses)));
  }

  /** The pod's first sandbox was made: the next look finds it and nothing else. */
  async madeSandbox(id: string): Promise<void> {
    const { cri, addresses } = this.#kubelet;
    this.#made = await withSandbox(cri, this.#inspected.uid, id, addresses);
  }

  /** After containers were started. Those that have ended again since are told of by the runtime. */
  async lookAt(started: readonly string[], runtime: PodRuntime): Promise<PodRuntime> {
    const sandboxId = runtime.sandboxes[0]?.id;
    if (started.length === 0 || sandboxId === undefined) return runtime;
    const { cri, exited } = this.#kubelet;
    return await this.#take(await withContainers(cri, runtime, started, sandboxId, exited));
  }

  /** Containers that were removed. */
  forget(ids: readonly string[]): void {
    for (const id of ids) this.#messages.delete(id);
  }

  async #take(runtime: PodRuntime): Promise<PodRuntime> {
    const { paths, prober } = this.#kubelet;
    const { uid, running } = this.#inspected;
    this.#runtime = runtime;
    const { name = '', namespace = '' } = this.#inspected.pod()?.metadata ?? {};
    const home = { uid, logDirectory: paths.podLogs(namespace, name, uid) };
    for (const record of runtime.containers) {
      if (record.state !== 'exited' || this.#messages.has(record.id)) continue;
      this.#messages.set(record.id, await terminationMessage(record, home, paths));
    }
    const ids = new Set(runtime.containers.filter(({ state }) => state === 'running').map(({ id }) => id));
    prober.keep(uid, ids);
    running(ids);
    const pod = this.#inspected.pod();
    if (pod && !this.#inspected.isEnding()) this.#probe(pod, runtime);
    return runtime;
  }

  #probe(pod: Pod, runtime: PodRuntime): void {
    const reported = [...(pod.status?.containerStatuses ?? []), ...(pod.status?.initContainerStatuses ?? [])];
    const podIP = podIPsOf(this.#kubelet, pod, runtime)[0] ?? '';
    for (const container of [...(pod.spec?.containers ?? []), ...(pod.spec?.initContainers ?? [])]) {
      const record = runtime.containers.find(({ name, state }) => name === container.name && state === 'running');
      if (!record) continue;
      const status = reported.find(({ containerID }) => containerID === `containerd://${record.id}`);
      const was = { started: status?.started === true, ready: status?.ready === true };
      this.#kubelet.prober.watch(pod, container, record, podIP, was);
    }
  }
}

/** A pod's addresses, which may be its node's. */
export function podIPsOf({ nodeIPs }: KubeletContext, pod: Pod, runtime: PodRuntime): readonly string[] {
  return pod.spec?.hostNetwork ? nodeIPs : runtime.podIPs;
}
