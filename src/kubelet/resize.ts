import { isDeepStrictEqual } from 'node:util';
import type { Container, Pod, PodStatus } from '../api/types.ts';
import { messageOf } from '../base/errors.ts';
import { stopContainer } from './container-stop.ts';
import type { KubeletContext } from './context.ts';
import { shareCpu } from './cpu-share.ts';
import { annotation } from './labels.ts';
import { limitPod, makeRoomInPod } from './pod-cgroup.ts';
import { type ContainerRecord, latest, type PodRuntime } from './pod-runtime.ts';
import { resizeMessage } from './resize-events.ts';
import { containerResources, quantity } from './resources.ts';

export type Resources = NonNullable<Container['resources']>;
type Condition = NonNullable<PodStatus['conditions']>[number];
type ResizeCondition = Pick<Condition, 'type' | 'status' | 'reason' | 'message'>;

const resized = ['cpu', 'memory'] as const;

/**
 * Gives running containers other amounts of cpu and memory when the pod's spec changes (KEP-1287), where the node has
 * them: what a container was started with stands on it, what it was given since is remembered here.
 */
export class PodResize {
  readonly #kubelet: KubeletContext;
  readonly #given = new Map<string, Resources>();
  #condition: ResizeCondition | undefined;
  /** Generation of the pod whose resize is under way. */
  #started: number | undefined;
  /** Containers that were ended for it, by name. */
  readonly #restarting = new Set<string>();
  /** What was told last of a resize that waits or has failed. */
  #told = '';

  constructor(kubelet: KubeletContext) {
    this.#kubelet = kubelet;
  }

  /** What a running container has. */
  givenTo(record: ContainerRecord): Resources | undefined {
    return this.#given.get(record.id) ?? startedWith(record);
  }

  /** Why a resize waits or has failed; `undefined` where none is to be tried again. */
  get condition(): ResizeCondition | undefined {
    return this.#condition;
  }

  /** How far a resize is, for who asks while it is done too; `undefined` where all containers have what they should. */
  progress(pod: Pod, runtime: PodRuntime): ResizeCondition | undefined {
    if (this.#condition || this.#changes(pod, runtime).length === 0) return this.#condition;
    return { type: 'PodResizeInProgress', status: 'True' };
  }

  /** Resolves to whether a container was ended, to be started with what it asks for now. */
  async apply(pod: Pod, runtime: PodRuntime, graceSeconds: number): Promise<boolean> {
    const changes = this.#changes(pod, runtime);
    const shortage = changes.length > 0 ? this.#shortage(pod) : undefined;
    this.#condition = shortage && {
      type: 'PodResizePending',
      status: 'True',
      reason: 'Deferred',
      message: shortage.message,
    };
    if (shortage) this.#tellTrouble(pod, 'ResizeDeferred', `OutOf${shortage.resource}`, shortage.message);
    if (shortage || changes.length === 0) {
      if (!shortage) this.#tellCompletion(pod, runtime);
      return false;
    }
    this.#tellStart(pod);
    const before = this.#restarting.size;
    for (const { container, record } of changes) {
      if (needsRestart(container, this.givenTo(record))) {
        const message = `Container ${container.name} resize requires restart`;
        await stopContainer(this.#kubelet, { pod, record, message, graceSeconds, podIP: runtime.podIPs[0] ?? '' });
        this.#restarting.add(container.name);
        continue;
      }
      await this.#update(pod, container, record);
    }
    limitPod(this.#kubelet, pod);
    const hasEnded = this.#restarting.size > before;
    if (!hasEnded && this.#changes(pod, runtime).length === 0) this.#tellCompletion(pod, runtime);
    return hasEnded;
  }

  forget(running: ReadonlySet<string>): void {
    for (const id of this.#given.keys()) if (!running.has(id)) this.#given.delete(id);
  }

  #changes(pod: Pod, runtime: PodRuntime): { container: Container; record: ContainerRecord }[] {
    const containers = [...(pod.spec?.containers ?? []), ...(pod.spec?.initContainers ?? [])];
    return runtime.containers.flatMap((record) => {
      const container = containers.find(({ name }) => name === record.name);
      const given = this.givenTo(record);
      if (record.state !== 'running' || !container || !given || sameAmounts(container.resources, given)) return [];
      return [{ container, record }];
    });
  }

  async #update(pod: Pod, container: Container, record: ContainerRecord): Promise<void> {
    const { cri, limits } = this.#kubelet;
    try {
      makeRoomInPod(this.#kubelet, pod);
      await cri.updateContainerResources(record.id, containerResources(pod, container, limits));
      shareCpu(this.#kubelet, pod);
      this.#given.set(record.id, container.resources ?? {});
    } catch (error) {
      const message = messageOf(error);
      this.#condition = { type: 'PodResizeInProgress', status: 'True', reason: 'Error', message };
      this.#tellTrouble(pod, 'ResizeError', 'error', message);
    }
  }

  #tellStart(pod: Pod): void {
    const generation = pod.metadata?.generation ?? 0;
    if (this.#started === generation) return;
    this.#started = generation;
    this.#kubelet.events.pod(pod, 'Normal', 'ResizeStarted', resizeMessage(pod, 'started'));
  }

  /** All containers have what they should, those too that had to be started anew for it. */
  #tellCompletion(pod: Pod, runtime: PodRuntime): void {
    this.#told = '';
    if (this.#started === undefined) return;
    if ([...this.#restarting].some((name) => latest(runtime, name)?.state !== 'running')) return;
    this.#started = undefined;
    this.#restarting.clear();
    this.#kubelet.events.pod(pod, 'Normal', 'ResizeCompleted', resizeMessage(pod, 'completed'));
  }

  /** Once for each resize and cause, however often it is tried. */
  #tellTrouble(pod: Pod, reason: string, how: string, message: string): void {
    const told = `${reason} ${pod.metadata?.generation}`;
    if (told === this.#told) return;
    this.#told = told;
    this.#kubelet.events.pod(pod, 'Warning', reason, resizeMessage(pod, how, message));
  }

  /** What the node has not enough of for what is asked for. */
  #shortage(pod: Pod): { readonly resource: string; readonly message: string } | undefined {
    const { allocatable, otherPods } = this.#kubelet;
    for (const resource of resized) {
      const wanted = requestOf(pod, resource);
      const capacity = quantity(allocatable[resource]);
      const used = otherPods(pod).reduce((sum, other) => sum + requestOf(other, resource), 0);
      if (wanted + used <= capacity) continue;
      const [requested, taken, whole] = [wanted, used, capacity].map((amount) => counted(resource, amount));
      const message = `Node didn't have enough resource: ${resource}, requested: ${requested}, used: ${taken}, capacity: ${whole}`;
      return { resource, message };
    }
    return undefined;
  }
}

/** Cores in thousandths, bytes as they are. */
const counted = (resource: (typeof resized)[number], amount: number): number =>
  resource === 'cpu' ? Math.round(amount * 1000) : amount;

function startedWith({ status }: ContainerRecord): Resources | undefined {
  const text = status.annotations[annotation.resources];
  return text === undefined ? undefined : JSON.parse(text);
}

function sameAmounts(a: Resources | undefined, b: Resources | undefined): boolean {
  return isDeepStrictEqual(amounts(a), amounts(b));
}

function amounts(resources: Resources | undefined): (number | undefined)[] {
  const { limits = {}, requests = {} } = resources ?? {};
  return [limits, requests].flatMap((part) =>
    resized.map((name) => (part[name] === undefined ? undefined : quantity(part[name]))),
  );
}

function needsRestart(container: Container, given: Resources | undefined): boolean {
  return (container.resizePolicy ?? []).some(({ resourceName, restartPolicy }) => {
    const changed = (['limits', 'requests'] as const).some(
      (part) => quantity(container.resources?.[part]?.[resourceName]) !== quantity(given?.[part]?.[resourceName]),
    );
    return restartPolicy === 'RestartContainer' && changed;
  });
}

function requestOf(pod: Pod, name: 'cpu' | 'memory'): number {
  return (pod.spec?.containers ?? []).reduce((sum, { resources }) => sum + quantity(resources?.requests?.[name]), 0);
}
