import type { CriClient } from './cri/client.ts';
import { isRuntimeNotFound } from './cri/client.ts';
import {
  type ContainerStatus,
  containerState,
  type PodSandbox,
  type PodSandboxStatus,
  sandboxState,
} from './cri/messages.ts';
import { annotation, label } from './labels.ts';

/** One start of a container, as the runtime knows it. */
export interface ContainerRecord {
  readonly id: string;
  readonly name: string;
  readonly sandboxId: string;
  /** Starts before this one; what the API calls restartCount. */
  readonly restartCount: number;
  readonly hash: string;
  readonly state: 'created' | 'running' | 'exited' | 'unknown';
  readonly status: ContainerStatus;
}

/** All that the container runtime holds of one pod. Newest first. */
export interface PodRuntime {
  readonly uid: string;
  readonly sandboxes: readonly PodSandbox[];
  readonly containers: readonly ContainerRecord[];
  /** Addresses of the newest sandbox, where it is ready. */
  readonly podIPs: readonly string[];
}

const states = { 0: 'created', 1: 'running', 2: 'exited', 3: 'unknown' } as const;

export const emptyRuntime = (uid: string): PodRuntime => ({ uid, sandboxes: [], containers: [], podIPs: [] });

/** Statuses of ended containers never change: they are asked for once. Keyed by container id. */
export type ExitedCache = Map<string, ContainerStatus>;

/** Addresses of sandboxes, which they keep as long as they live. Keyed by sandbox id. */
export type AddressCache = Map<string, readonly string[]>;

export async function inspectPod(
  cri: CriClient,
  uid: string,
  exited: ExitedCache,
  addresses: AddressCache,
): Promise<PodRuntime> {
  const labels = { [label.podUid]: uid };
  const [sandboxes, containers] = await Promise.all([cri.listPodSandboxes(labels), cri.listContainers(labels)]);
  const newest = [...sandboxes].sort((a, b) => b.createdAt - a.createdAt);
  const [podIPs, records] = await Promise.all([
    sandboxIPs(cri, newest[0], addresses),
    Promise.all(containers.map((found) => containerRecord(cri, found.id, found.podSandboxId, exited))),
  ]);
  const known = records.filter((record) => record !== undefined);
  return { uid, sandboxes: newest, containers: known.sort(newerFirst), podIPs };
}

/** What the runtime holds of a pod for which nothing but this sandbox was made. */
export async function withSandbox(
  cri: CriClient,
  uid: string,
  sandboxId: string,
  addresses: AddressCache,
): Promise<PodRuntime> {
  const { id, metadata, state, createdAt, network, labels, annotations } = await cri.podSandboxStatus(sandboxId);
  const podIPs = state === sandboxState.ready ? addressesIn(network) : [];
  if (podIPs.length > 0) addresses.set(id, podIPs);
  return { ...emptyRuntime(uid), sandboxes: [{ id, metadata, state, createdAt, labels, annotations }], podIPs };
}

/** The same with containers that were started since. */
export async function withContainers(
  cri: CriClient,
  runtime: PodRuntime,
  ids: readonly string[],
  sandboxId: string,
  exited: ExitedCache,
): Promise<PodRuntime> {
  const records = await Promise.all(ids.map((id) => containerRecord(cri, id, sandboxId, exited)));
  const fresh = records.filter((record) => record !== undefined);
  return { ...runtime, containers: [...fresh, ...runtime.containers].sort(newerFirst) };
}

function newerFirst(a: ContainerRecord, b: ContainerRecord): number {
  return b.status.createdAt - a.status.createdAt;
}

async function sandboxIPs(
  cri: CriClient,
  sandbox: PodSandbox | undefined,
  addresses: AddressCache,
): Promise<readonly string[]> {
  if (sandbox?.state !== sandboxState.ready) return [];
  const known = addresses.get(sandbox.id) ?? (await askSandboxIPs(cri, sandbox));
  if (known.length > 0) addresses.set(sandbox.id, known);
  return known;
}

async function askSandboxIPs(cri: CriClient, sandbox: PodSandbox): Promise<string[]> {
  try {
    return addressesIn((await cri.podSandboxStatus(sandbox.id)).network);
  } catch (error) {
    if (isRuntimeNotFound(error)) return [];
    throw error;
  }
}

const addressesIn = (network: PodSandboxStatus['network']): string[] =>
  network?.ip ? [network.ip, ...network.additionalIps.map(({ ip }) => ip)] : [];

async function containerRecord(
  cri: CriClient,
  id: string,
  sandboxId: string,
  exited: ExitedCache,
): Promise<ContainerRecord | undefined> {
  const status = exited.get(id) ?? (await statusIfThere(cri, id));
  if (!status) return undefined;
  if (status.state === containerState.exited) exited.set(id, status);
  return {
    id,
    sandboxId,
    status,
    name: status.labels[label.containerName] ?? status.metadata?.name ?? '',
    restartCount: Number(status.annotations[annotation.restartCount] ?? status.metadata?.attempt ?? 0),
    hash: status.annotations[annotation.hash] ?? '',
    state: states[status.state as keyof typeof states] ?? 'unknown',
  };
}

async function statusIfThere(cri: CriClient, id: string): Promise<ContainerStatus | undefined> {
  try {
    return await cri.containerStatus(id);
  } catch (error) {
    if (isRuntimeNotFound(error)) return undefined;
    throw error;
  }
}

/** The newest start of a container. */
export function latest(runtime: PodRuntime, name: string): ContainerRecord | undefined {
  return runtime.containers.find((record) => record.name === name);
}

/** The start before {@link latest}. */
export function previous(runtime: PodRuntime, name: string): ContainerRecord | undefined {
  return runtime.containers.filter((record) => record.name === name)[1];
}

/** The sandbox in which containers may be started. */
export function readySandbox(runtime: PodRuntime, hostNetwork: boolean): PodSandbox | undefined {
  const newest = runtime.sandboxes[0];
  if (newest?.state !== sandboxState.ready) return undefined;
  return hostNetwork || runtime.podIPs.length > 0 ? newest : undefined;
}

/** Whether a listing of the runtime shows the same sandboxes and containers in the same states. */
export function isUnchanged(
  runtime: PodRuntime,
  listed: readonly { readonly id: string; readonly state: number }[],
): boolean {
  const seen = new Map<string, number>([
    ...runtime.sandboxes.map(({ id, state }) => [id, state] as const),
    ...runtime.containers.map(({ id, status }) => [id, status.state] as const),
  ]);
  return seen.size === listed.length && listed.every(({ id, state }) => seen.get(id) === state);
}
