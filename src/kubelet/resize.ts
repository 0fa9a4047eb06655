import { isDeepStrictEqual } from 'node:util';
import type { Container, Pod, PodStatus } from '../api/types.ts';
import { messageOf } from '../base/errors.ts';
import { stopContainer } from './container-stop.ts';
import type { KubeletContext } from './context.ts';
import { shareCpu } from './cpu-share.ts';
import { annotation } from './labels.ts';
import { limitPod, makeRoomInPod } from './pod-cgroup.ts';
import type { ContainerRecord, PodRuntime } from './pod-runtime.ts';
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
    this.#condition = changes.length > 0 ? this.#whyNot(pod) : undefined;
    if (this.#condition || changes.length === 0) return false;
    let ended = false;
    for (const { container, record } of changes) {
      if (needsRestart(container, this.givenTo(record))) {
        const message = `Container ${container.name} resize requires restart`;
        await stopContainer(this.#kubelet, { pod, record, message, graceSeconds, podIP: runtime.podIPs[0] ?? '' });
        ended = true;
        continue;
      }
      await this.#update(pod, container, record);
    }
    limitPod(this.#kubelet, pod);
    return ended;
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
    const { cri, events, limits } = this.#kubelet;
    try {
      makeRoomInPod(this.#kubelet, pod);
      await cri.updateContainerResources(record.id, containerResources(pod, container, limits));
      shareCpu(this.#kubelet, pod);
      this.#given.set(record.id, container.resources ?? {});
      events.container(pod, container, 'Normal', 'ResizeCompleted', `Container ${container.name} was resized`);
    } catch (error) {
      const message = messageOf(error);
      this.#condition = { type: 'PodResizeInProgress', status: 'True', reason: 'Error', message };
      events.container(pod, container, 'Warning', 'ResizeError', message);
    }
  }

  /** A node has to have what is asked for at all, and now. */
  #whyNot(pod: Pod): ResizeCondition | undefined {
    const pending = (reason: string, message: string) => ({
      type: 'PodResizePending',
      status: 'True',
      reason,
      message,
    });
    const { allocatable, otherPods } = this.#kubelet;
    for (const name of resized) {
      const wanted = requestOf(pod, name);
      const capacity = quantity(allocatable[name]);
      const taken = otherPods(pod).reduce((sum, other) => sum + requestOf(other, name), 0);
      const text = `requested: ${wanted}, capacity: ${capacity}`;
      if (wanted > capacity) return pending('Infeasible', `Node didn't have enough capacity: ${name}, ${text}`);
      if (wanted + taken > capacity) {
        return pending(
          'Deferred',
          `Node didn't have enough resource: ${name}, requested: ${wanted}, used: ${taken}, capacity: ${capacity}`,
        );
      }
    }
    return undefined;
  }
}

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
