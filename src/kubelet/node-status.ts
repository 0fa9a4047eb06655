import { createHash } from 'node:crypto';
import { readFile, statfs } from 'node:fs/promises';
import os from 'node:os';
import { formatQuantity, parseQuantity, type Quantity, subtractQuantities } from '../api/quantity.ts';
import type { Node } from '../api/types.ts';
import type { Image, RuntimeCondition, VersionResponse } from './cri/messages.ts';
import type { ResourceList } from './resources.ts';
import type { ResolvedSettings } from './settings.ts';

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

/** For events of the node: as the kubelet does, by its name alone. */
export const nodeReference = (name: string): Node => ({
  apiVersion: 'v1',
  kind: 'Node',
  metadata: { name, uid: name },
});

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

/** What of a node's capacity is for pods. */
export function nodeAllocatable(capacity: ResourceList, settings: ResolvedSettings): ResourceList {
  const { systemReserved, kubeReserved, evictionHard } = settings;
  const thresholds: ResourceList = {
    memory: evictionHard['memory.available'] ?? '0',
    'ephemeral-storage': evictionHard['nodefs.available'] ?? '0',
  };
  const left = Object.entries(capacity).map(([name, text]): [string, string] => {
    const whole = parseQuantity(text);
    const share = thresholds[name] ?? '0';
    const threshold = share.endsWith('%') ? percentOf(whole, share) : parseQuantity(share);
    const reserved = [systemReserved[name], kubeReserved[name]].map((each) => parseQuantity(each ?? '0'));
    const rest = [...reserved, threshold].reduce(subtractQuantities, whole);
    return [name, formatQuantity(rest.nanos < 0n ? { ...whole, nanos: 0n } : rest)];
  });
  return Object.fromEntries(left);
}

function percentOf(whole: Quantity, share: string): Quantity {
  const bytes = Math.floor((Number(whole.nanos / 1_000_000_000n) * Number.parseFloat(share)) / 100);
  return { ...whole, nanos: BigInt(bytes) * 1_000_000_000n };
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

export type Pressure = 'MemoryPressure' | 'DiskPressure' | 'PIDPressure';

const PRESSURES = {
  MemoryPressure: {
    True: ['KubeletHasInsufficientMemory', 'kubelet has insufficient memory available'],
    False: ['KubeletHasSufficientMemory', 'kubelet has sufficient memory available'],
  },
  DiskPressure: {
    True: ['KubeletHasDiskPressure', 'kubelet has disk pressure'],
    False: ['KubeletHasNoDiskPressure', 'kubelet has no disk pressure'],
  },
  PIDPressure: {
    True: ['KubeletHasInsufficientPID', 'kubelet has insufficient PID available'],
    False: ['KubeletHasSufficientPID', 'kubelet has sufficient PID available'],
  },
} as const;

function pressureCondition(type: Pressure, status: 'True' | 'False') {
  const [reason, message] = PRESSURES[type][status];
  return { type, status, reason, message };
}

/** `pressures`: what the node runs short of; `isGoing`: it shuts down. */
export function nodeConditions(
  health: RuntimeHealth,
  before: NodeStatus['conditions'],
  now: string,
  pressures: ReadonlySet<Pressure> = new Set(),
  isGoing = false,
): NodeCondition[] {
  const types = Object.keys(PRESSURES) as Pressure[];
  const verdicts = [
    ...types.map((type) => pressureCondition(type, pressures.has(type) ? 'True' : 'False')),
    readyCondition(health, isGoing),
  ];
  return verdicts.map((verdict) => {
    const old = before?.find(({ type }) => type === verdict.type);
    const changed = old?.status !== verdict.status;
    return { ...verdict, lastHeartbeatTime: now, lastTransitionTime: changed ? now : (old?.lastTransitionTime ?? now) };
  });
}

/** The kubelet's own words: people and tools look for them. */
export function readyCondition(
  health: RuntimeHealth,
  isGoing: boolean,
): {
  type: string;
  status: string;
  reason: string;
  message: string;
} {
  const runtime = runtimeTrouble(health);
  const trouble = [...(runtime === undefined ? [] : [runtime]), ...(isGoing ? ['node is shutting down'] : [])];
  if (trouble.length === 0) {
    return { type: 'Ready', status: 'True', reason: 'KubeletReady', message: 'kubelet is posting ready status' };
  }
  const message = trouble.length === 1 ? trouble.join() : `[${trouble.join(', ')}]`;
  return { type: 'Ready', status: 'False', reason: 'KubeletNotReady', message };
}

/** Why pods cannot run; nothing where they can. */
export function runtimeTrouble(health: RuntimeHealth): string | undefined {
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
