import { readdir, rm } from 'node:fs/promises';
import path from 'node:path';
import { pods } from '../api/resource.ts';
import type { Pod } from '../api/types.ts';
import { type Client, isConflict, isNotFound } from '../client/client.ts';
import { removeCgroupTree } from '../kernel/cgroup.ts';
import { stopContainer } from './container-stop.ts';
import type { KubeletContext } from './context.ts';
import { shareCpuWithout } from './cpu-share.ts';
import { sandboxState } from './cri/messages.ts';
import type { ContainerRecord, PodRuntime } from './pod-runtime.ts';
import { podCgroup } from './resources.ts';
import { isSidecar } from './sidecar.ts';
import { removePodFolder } from './volumes/volumes.ts';

/** Why the node ends a pod that nobody has deleted. */
export interface Eviction {
  readonly message: string;
  /** Seconds that its containers have at most; by default their own. */
  readonly graceSeconds?: number;
  /** Where it was not the pod's own fault: what the condition `DisruptionTarget` says. */
  readonly disruption?: string;
  readonly reason: string;
  /** The phase of a pod whose containers all end well is `Succeeded` all the same. */
  readonly maySucceed?: boolean;
}

/**
 * Ends a pod's containers gracefully, and then its sandboxes. All hooks run at once. SIGTERM comes to the containers side
 * by side, and in the time that is left to the sidecars: first to the one that began last (KEP-753). They stay known to
 * the runtime.
 */
export async function endPod(
  kubelet: KubeletContext,
  pod: Pod | undefined,
  runtime: PodRuntime,
  graceSeconds: number,
): Promise<void> {
  const sidecars = (pod?.spec?.initContainers ?? []).filter(isSidecar).map(({ name }) => name);
  const running = runtime.containers.filter(({ state }) => state === 'running');
  const end = (record: ContainerRecord, turn?: Promise<unknown>) =>
    stopContainer(kubelet, {
      pod,
      record,
      message: `Stopping container ${record.name}`,
      graceSeconds,
      podIP: runtime.podIPs[0] ?? '',
      turn,
    });
  let ended = Promise.all(running.filter(({ name }) => !sidecars.includes(name)).map((record) => end(record)));
  for (const sidecar of sidecars.toReversed()) {
    const turn = ended;
    const own = running.filter(({ name }) => name === sidecar).map((record) => end(record, turn));
    ended = Promise.all([...own, turn.then(() => undefined)]);
  }
  await ended;
  const ready = runtime.sandboxes.filter(({ state }) => state === sandboxState.ready);
  await Promise.all(ready.map(({ id }) => kubelet.cri.stopPodSandbox(id)));
}

/** Removes all that an ended pod has left: sandboxes and containers, volumes, logs, cgroup, and what is remembered. */
export async function removeRemains(
  kubelet: KubeletContext,
  uid: string,
  pod: Pod | undefined,
  runtime: PodRuntime,
): Promise<void> {
  const { cri, paths, exited, addresses, tokens, restarts, images, gate } = kubelet;
  await Promise.all(runtime.sandboxes.map(({ id }) => cri.removePodSandbox(id)));
  if (pod) kubelet.podEnds(pod);
  for (const { id } of runtime.containers) exited.delete(id);
  for (const { id } of runtime.sandboxes) addresses.delete(id);
  await removePodFolder(uid, paths);
  await removeLogs(kubelet, uid);
  if (pod) {
    // The runtime made it and leaves it behind.
    await removeCgroupTree(podCgroup(kubelet.cgroupParent, pod));
    shareCpuWithout(kubelet, pod);
  }
  tokens.forget(uid);
  restarts.forget(`${uid}/`);
  images.forget(uid);
  gate.forget(uid);
}

/** By the uid alone: of a pod that is gone nobody may know the name. */
async function removeLogs({ paths }: KubeletContext, uid: string): Promise<void> {
  const folders = await readdir(paths.logs);
  const own = folders.filter((folder) => folder.endsWith(`_${uid}`));
  for (const folder of own) await rm(path.join(paths.logs, folder), { recursive: true, force: true });
}

/** The last step of a graceful deletion. The uid keeps a new pod of the same name safe. */
export async function deleteObject(client: Client, pod: Pod): Promise<void> {
  const { name = '', namespace = '', uid } = pod.metadata ?? {};
  try {
    await client.delete(pods, { name, namespace }, { gracePeriodSeconds: 0, preconditions: { uid } });
  } catch (error) {
    if (!isNotFound(error) && !isConflict(error)) throw error;
  }
}

/** Keeps of each container the newest start and the one before it; resolves to the ids of those that were removed. */
export async function pruneContainers({ cri, exited }: KubeletContext, runtime: PodRuntime): Promise<string[]> {
  const seen = new Map<string, number>();
  const kept = new Set<string>();
  const removed: string[] = [];
  for (const record of runtime.containers) {
    const newer = seen.get(record.name) ?? 0;
    seen.set(record.name, newer + 1);
    if (newer < 2 || record.state === 'running') {
      kept.add(record.sandboxId);
      continue;
    }
    await cri.removeContainer(record.id);
    exited.delete(record.id);
    removed.push(record.id);
  }
  for (const sandbox of runtime.sandboxes.slice(1)) {
    if (sandbox.state !== sandboxState.ready && !kept.has(sandbox.id)) await cri.removePodSandbox(sandbox.id);
  }
  return removed;
}
