import { createHash } from 'node:crypto';
import { readFile, statfs } from 'node:fs/promises';
import os from 'node:os';
import type { Node } from '../api/types.ts';
import type { Image, RuntimeCondition, VersionResponse } from './cri/messages.ts';
import type { ResourceList } from './resources.ts';

type NodeStatus = NonNullable<Node['status']>;
type NodeCondition = NonNullable<NodeStatus['conditions']>[number];

export interface NodeIdentity {
  readonly nodeName: string;
  readonly hostname: string;
  /** One a family, the first one first. */
  readonly nodeIPs: readonly string[];
  readonly kubeletPort: number;
  readonly kubeletVersion: string;
  readonly rootDir: string;
  readonly maxPods: number;
  /** Replaces what is measured. */
  readonly capacity: ResourceList;
}

/** What the container runtime answered, or why it did not. */
export type RuntimeHealth =
  | {
      readonly version: VersionResponse;
      readonly conditions: readonly RuntimeCondition[];
      readonly images: readonly Image[];
    }
  | { readonly error: string };

/** Images that a node reports, the largest first (the kubelet's `nodeStatusMaxImages`). */
const MAX_IMAGES = 50;

export async function nodeCapacity({ rootDir, maxPods, capacity }: NodeIdentity): Promise<ResourceList> {
  const { blocks, bsize } = await statfs(rootDir);
  return {
    cpu: String(os.availableParallelism()),
    memory: `${Math.floor(os.totalmem() / 1024)}Ki`,
    'ephemeral-storage': `${Math.floor((blocks * bsize) / 1024)}Ki`,
    'hugepages-1Gi': '0',
    'hugepages-2Mi': '0',
    pods: String(maxPods),
    ...capacity,
  };
}

export async function nodeInfo(
  identity: NodeIdentity,
  health: RuntimeHealth,
): Promise<NonNullable<NodeStatus['nodeInfo']>> {
  const text = (file: string) =>
    readFile(file, 'utf8').then(
      (content) => content.trim(),
      () => '',
    );
  const [machine, bootID, release] = await Promise.all([
    text('/etc/machine-id'),
    text('/proc/sys/kernel/random/boot_id'),
    text('/etc/os-release'),
  ]);
  const machineID = ownId(machine, identity.nodeName);
  const runtime = 'version' in health ? `${health.version.runtimeName}://${health.version.runtimeVersion}` : '';
  return {
    machineID,
    systemUUID: machineID.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5'),
    bootID,
    kernelVersion: os.release(),
    osImage: /^PRETTY_NAME="?([^"\n]*)"?$/m.exec(release)?.[1] ?? 'Linux',
    containerRuntimeVersion: runtime,
    kubeletVersion: identity.kubeletVersion,
    kubeProxyVersion: '',
    operatingSystem: 'linux',
    architecture: architecture(),
  };
}

/** Nodes that share a machine are told apart by their ids all the same, and each keeps its own. */
function ownId(machine: string, nodeName: string): string {
  return createHash('sha256').update(`${machine}/${nodeName}`).digest('hex').slice(0, 32);
}

/** Go's names of architectures, which images and labels use. */
export const architecture = (): string => (process.arch === 'x64' ? 'amd64' : process.arch);

export function nodeConditions(health: RuntimeHealth, before: NodeStatus['conditions'], now: string): NodeCondition[] {
  const calm = (type: string, reason: string, message: string) => ({ type, status: 'False', reason, message });
  const verdicts = [
    calm('MemoryPressure', 'KubeletHasSufficientMemory', 'kubelet has sufficient memory available'),
    calm('DiskPressure', 'KubeletHasNoDiskPressure', 'kubelet has no disk pressure'),
    calm('PIDPressure', 'KubeletHasSufficientPID', 'kubelet has sufficient PID available'),
    readyCondition(health),
  ];
  return verdicts.map((verdict) => {
    const old = before?.find(({ type }) => type === verdict.type);
    const changed = old?.status !== verdict.status;
    return { ...verdict, lastHeartbeatTime: now, lastTransitionTime: changed ? now : (old?.lastTransitionTime ?? now) };
  });
}

/** The kubelet's own words: people and tools look for them. */
export function readyCondition(health: RuntimeHealth): {
  type: string;
  status: string;
  reason: string;
  message: string;
} {
  const trouble = runtimeTrouble(health);
  if (trouble === undefined) {
    return { type: 'Ready', status: 'True', reason: 'KubeletReady', message: 'kubelet is posting ready status' };
  }
  return { type: 'Ready', status: 'False', reason: 'KubeletNotReady', message: trouble };
}

function runtimeTrouble(health: RuntimeHealth): string | undefined {
  if ('error' in health) return `container runtime is down: ${health.error}`;
  const of = (type: string) => health.conditions.find((condition) => condition.type === type);
  const words = { RuntimeReady: 'container runtime not ready', NetworkReady: 'container runtime network not ready' };
  for (const [type, text] of Object.entries(words)) {
    const condition = of(type);
    if (condition?.status) continue;
    const { reason = '', message = '' } = condition ?? {};
    return `${text}: ${type}=false reason:${reason} message:${message}`;
  }
  return undefined;
}

export function nodeImages(health: RuntimeHealth): NonNullable<NodeStatus['images']> {
  if (!('images' in health)) return [];
  return [...health.images]
    .sort((a, b) => b.size - a.size)
    .slice(0, MAX_IMAGES)
    .map(({ repoDigests, repoTags, size }) => ({ names: [...repoDigests, ...repoTags], sizeBytes: size }));
}

export function nodeLabels({ hostname }: Pick<NodeIdentity, 'hostname'>): Record<string, string> {
  return {
    'beta.kubernetes.io/arch': architecture(),
    'beta.kubernetes.io/os': 'linux',
    'kubernetes.io/arch': architecture(),
    'kubernetes.io/hostname': hostname,
    'kubernetes.io/os': 'linux',
  };
}
