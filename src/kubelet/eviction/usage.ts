import { lstat, readdir } from 'node:fs/promises';
import path from 'node:path';
import type { Pod } from '../../api/types.ts';
import { processesIn } from '../../kernel/cgroup.ts';
import type { CriClient } from '../cri/client.ts';
import { label } from '../labels.ts';
import type { KubeletPaths } from '../paths.ts';
import { podCgroup } from '../resources.ts';
import type { PodUsage, UsageOf } from './ranking.ts';
import type { StarvedResource } from './thresholds.ts';

export interface Measured {
  readonly cri: CriClient;
  readonly paths: KubeletPaths;
  readonly cgroupParent: string;
}

/** Measures what pods use of one resource. */
export async function measureUsage(
  pods: readonly Pod[],
  resource: StarvedResource,
  measured: Measured,
): Promise<UsageOf> {
  if (resource === 'pids') return processUsage(pods, measured);
  const isMemory = resource === 'memory';
  const stats = await measured.cri.listContainerStats();
  const usages = new Map<string, PodUsage>();
  for (const pod of pods) {
    const uid = pod.metadata?.uid ?? '';
    const own = stats.filter(({ attributes }) => attributes?.labels[label.podUid] === uid);
    const containers = new Map(
      own.map(({ attributes, memory, writableLayer }) => [
        attributes?.labels[label.containerName] ?? '',
        (isMemory ? memory?.workingSetBytes?.value : writableLayer?.usedBytes?.value) ?? 0,
      ]),
    );
    const sum = [...containers.values()].reduce((total, each) => total + each, 0);
    usages.set(uid, { containers, total: sum + (isMemory ? 0 : await podFolderBytes(pod, measured.paths)) });
  }
  return (pod) => usages.get(pod.metadata?.uid ?? '');
}

function processUsage(pods: readonly Pod[], { cgroupParent }: Measured): UsageOf {
  const counts = new Map(pods.map((pod) => [pod, processesIn(podCgroup(cgroupParent, pod)).length]));
  return (pod) => ({ total: counts.get(pod) ?? 0, containers: new Map() });
}

/** Bytes of a pod's logs and of its volumes on the node's disk. */
async function podFolderBytes(pod: Pod, paths: KubeletPaths): Promise<number> {
  const { name = '', namespace = '', uid = '' } = pod.metadata ?? {};
  const volumes = onDisk(pod).map((volume) => paths.volume(uid, 'empty-dir', volume));
  const sizes = await Promise.all([paths.podLogs(namespace, name, uid), ...volumes].map(bytesBelow));
  return sizes.reduce((sum, each) => sum + each, 0);
}

const onDisk = (pod: Pod): string[] =>
  (pod.spec?.volumes ?? []).filter(({ emptyDir }) => emptyDir && emptyDir.medium !== 'Memory').map(({ name }) => name);

/** What the files below a folder take of the disk; 0 where it is not there. */
export async function bytesBelow(folder: string): Promise<number> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true }).catch(() => []);
  let bytes = 0;
  for (const entry of entries) {
    // A file that is removed meanwhile takes nothing.
    const stats = await lstat(path.join(entry.parentPath, entry.name)).catch(() => undefined);
    bytes += (stats?.blocks ?? 0) * 512;
  }
  return bytes;
}
