import { mkdir } from 'node:fs/promises';
import path from 'node:path';
import type { Container, Pod } from '../api/types.ts';
import { messageOf } from '../base/errors.ts';
import { containerConfig } from './container-config.ts';
import type { KubeletContext } from './context.ts';
import type { Image, PodSandboxConfig } from './cri/messages.ts';
import { containerEnv } from './env.ts';
import type { FieldSource } from './fields.ts';
import { runPostStart } from './hooks.ts';
import { withImageVolumes } from './image-volumes.ts';
import { ImageError } from './images.ts';
import { containerMounts } from './mounts.ts';
import { latest, type PodRuntime } from './pod-runtime.ts';
import type { Removed } from './restart-all.ts';
import type { VolumePaths } from './volumes/volumes.ts';

/** Why a container could not be started, as its waiting state says it, and when to try again. */
export class StartError extends Error {
  readonly reason: string;
  /** In ms from now; `undefined` where nothing says when it may succeed. */
  readonly retryMs: number | undefined;
  constructor(reason: string, message: string, retryMs?: number) {
    super(message);
    this.name = 'StartError';
    this.reason = reason;
    this.retryMs = retryMs;
  }
}

export interface StartContext {
  readonly pod: Pod;
  readonly runtime: PodRuntime;
  /** What is to be told of the container, where it was removed so that all of the pod start anew. */
  readonly removed: Removed | undefined;
  readonly sandboxId: string;
  readonly sandboxConfig: PodSandboxConfig;
  readonly volumes: VolumePaths;
  readonly fields: FieldSource;
  readonly signal: AbortSignal;
}

/** Starts a container, or starts it again; resolves to its id. Throws {@link StartError}. */
export async function startContainer(
  kubelet: KubeletContext,
  container: Container,
  start: StartContext,
): Promise<string> {
  const { pod, sandboxConfig, signal } = start;
  awaitBackoff(kubelet, container, start);
  const failed = (error: unknown): never => {
    if (!(error instanceof ImageError)) throw error;
    kubelet.events.container(pod, container, 'Warning', 'Failed', `Error: ${error.reason}`);
    throw new StartError(error.reason, error.message, error.retryMs);
  };
  const image = await kubelet.images.ensure(pod, container, sandboxConfig, signal).catch(failed);
  const volumes = await withImageVolumes(kubelet, container, start).catch(failed);
  signal.throwIfAborted();
  const id = await createAndStart(kubelet, container, image, { ...start, volumes });
  await postStart(kubelet, container, id, start);
  return id;
}

async function createAndStart(
  kubelet: KubeletContext,
  container: Container,
  image: Image,
  start: StartContext,
): Promise<string> {
  const { pod, runtime, sandboxConfig, volumes } = start;
  const restartCount = nextRestartCount(container, start);
  const config = await attempt(kubelet, start, container, 'CreateContainerConfigError', async () => {
    const links = pod.spec?.enableServiceLinks ?? true;
    const services = kubelet.serviceEnv(pod.metadata?.namespace ?? '', links);
    const env = await containerEnv(container, start.fields, kubelet.config, services, volumes);
    const { paths, limits } = kubelet;
    const mounts = await containerMounts(pod, container, { paths, volumes, env, restartCount });
    const imageUser = { uid: image.uid?.value, username: image.username };
    return containerConfig(pod, container, {
      paths,
      env,
      mounts,
      imageRef: image.id,
      imageUser,
      restartCount,
      targetId: targetOf(container, runtime),
      limits,
    });
  });
  const id = await attempt(kubelet, start, container, 'CreateContainerError', async () => {
    await mkdir(path.join(sandboxConfig.logDirectory ?? '', container.name), { recursive: true });
    return await kubelet.cri.createContainer(start.sandboxId, config, sandboxConfig);
  });
  kubelet.events.container(pod, container, 'Normal', 'Created', 'Container created');
  await attempt(kubelet, start, container, 'RunContainerError', () => kubelet.cri.startContainer(id));
  kubelet.events.container(pod, container, 'Normal', 'Started', 'Container started');
  return id;
}

/** The running container that an ephemeral one is meant to look into. */
function targetOf(container: Container & { targetContainerName?: string }, runtime: PodRuntime): string | undefined {
  const name = container.targetContainerName;
  if (!name) return undefined;
  const target = latest(runtime, name);
  if (target?.state !== 'running') throw new Error(`unable to find target container ${name}`);
  return target.id;
}

/** Names the failure of one step, and tells of it. */
async function attempt<T>(
  kubelet: KubeletContext,
  start: StartContext,
  container: Container,
  reason: string,
  step: () => Promise<T>,
): Promise<T> {
  try {
    return await step();
  } catch (error) {
    const message = messageOf(error);
    kubelet.events.container(start.pod, container, 'Warning', 'Failed', `Error: ${message}`);
    throw new StartError(reason, message);
  }
}

function awaitBackoff(kubelet: KubeletContext, container: Container, { pod, runtime }: StartContext): void {
  const record = latest(runtime, container.name);
  if (record?.state !== 'exited') return;
  const { name = '', namespace = '', uid = '' } = pod.metadata ?? {};
  const key = backoffKey(pod, container);
  const finished = record.status.finishedAt / 1e6;
  const wait = kubelet.restarts.remaining(key, finished, Date.now());
  if (wait === 0) {
    kubelet.restarts.next(key, finished, Date.now());
    return;
  }
  const podName = `${name}_${namespace}(${uid})`;
  const text = `Back-off restarting failed container ${container.name} in pod ${podName}`;
  kubelet.events.container(pod, container, 'Warning', 'BackOff', text);
  const delay = formatDelay(kubelet.restarts.delay(key));
  const message = `back-off ${delay} restarting failed container=${container.name} pod=${podName}`;
  throw new StartError('CrashLoopBackOff', message, wait);
}

/** What is changed of a container to mend it begins without a delay (the kubelet's `GetBackoffKey`). */
const backoffKey = ({ metadata }: Pod, { name, image, resources }: Container): string =>
  `${metadata?.uid}/${JSON.stringify([name, image, resources])}`;

/** As Go prints durations: `10s`, `1m20s`, `5m0s`. */
function formatDelay(ms: number): string {
  const seconds = Math.round(ms / 1000);
  return seconds < 60 ? `${seconds}s` : `${Math.floor(seconds / 60)}m${seconds % 60}s`;
}

/** Counted from the runtime's records, or from what was reported where these are lost. */
function nextRestartCount(container: Container, { pod, runtime, removed }: StartContext): number {
  const record = latest(runtime, container.name);
  if (record) return record.restartCount + 1;
  if (removed) return removed.restartCount;
  const statuses = [...(pod.status?.containerStatuses ?? []), ...(pod.status?.initContainerStatuses ?? [])];
  const reported = statuses.find(({ name }) => name === container.name);
  return reported?.containerID ? reported.restartCount + 1 : (reported?.restartCount ?? 0);
}

async function postStart(
  kubelet: KubeletContext,
  container: Container,
  id: string,
  start: StartContext,
): Promise<void> {
  const hook = container.lifecycle?.postStart;
  if (!hook) return;
  const podIP = start.fields.podIPs[0] ?? '';
  const failure = await runPostStart(hook, { cri: kubelet.cri, container, containerId: id, podIP }, start.signal);
  if (failure === undefined) return;
  kubelet.events.container(start.pod, container, 'Warning', 'FailedPostStartHook', 'PostStartHook failed');
  kubelet.events.container(start.pod, container, 'Normal', 'Killing', 'FailedPostStartHook');
  await kubelet.cri.stopContainer(id, start.pod.spec?.terminationGracePeriodSeconds ?? 30);
  throw new StartError('PostStartHookError', failure);
}
