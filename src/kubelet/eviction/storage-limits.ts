import { podQuantities } from '../../api/pod-resources.ts';
import { formatQuantity } from '../../api/quantity.ts';
import type { Pod } from '../../api/types.ts';
import type { KubeletPaths } from '../paths.ts';
import { quantity } from '../resources.ts';
import type { PodUsage, UsageOf } from './ranking.ts';
import { bytesBelow } from './usage.ts';

const STORAGE = 'ephemeral-storage';

/** Whether anything in a pod's spec bounds what it may write. Most pods' does not, and they need not be measured. */
export function hasStorageLimit({ spec }: Pod): boolean {
  return (
    (spec?.containers ?? []).some(({ resources }) => resources?.limits?.[STORAGE] !== undefined) ||
    (spec?.volumes ?? []).some(({ emptyDir }) => emptyDir?.sizeLimit !== undefined)
  );
}

/** Why a pod has written more than it may, in the kubelet's words; `undefined` where it has not. */
export async function exceededStorage(pod: Pod, usage: UsageOf, paths: KubeletPaths): Promise<string | undefined> {
  const used = usage(pod);
  return (await exceededVolume(pod, paths)) ?? (used && (exceededPod(pod, used) ?? exceededContainer(pod, used)));
}

async function exceededVolume(pod: Pod, paths: KubeletPaths): Promise<string | undefined> {
  for (const { name, emptyDir } of pod.spec?.volumes ?? []) {
    const limit = quantity(emptyDir?.sizeLimit);
    if (limit === 0) continue;
    const bytes = await bytesBelow(paths.volume(pod.metadata?.uid ?? '', 'empty-dir', name));
    if (bytes > limit) return `Usage of EmptyDir volume "${name}" exceeds the limit "${emptyDir?.sizeLimit}". `;
  }
  return undefined;
}

function exceededPod(pod: Pod, { total }: PodUsage): string | undefined {
  const limited = (pod.spec?.containers ?? []).every(({ resources }) => resources?.limits?.[STORAGE] !== undefined);
  const limit = limited ? podQuantities(pod.spec, 'limits').get(STORAGE) : undefined;
  if (!limit || total <= Number(limit.nanos) / 1e9) return undefined;
  return `Pod ephemeral local storage usage exceeds the total limit of containers ${formatQuantity(limit)}. `;
}

function exceededContainer(pod: Pod, { containers }: PodUsage): string | undefined {
  for (const { name, resources } of pod.spec?.containers ?? []) {
    const limit = resources?.limits?.[STORAGE];
    if (limit === undefined || (containers.get(name) ?? 0) <= quantity(limit)) continue;
    return `Container ${name} exceeded its local ephemeral storage limit "${limit}". `;
  }
  return undefined;
}
