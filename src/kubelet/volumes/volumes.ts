import { chmod, chown, mkdir, rm } from 'node:fs/promises';
import path from 'node:path';
import type { Pod, Volume } from '../../api/types.ts';
import { KnitError, messageOf } from '../../base/errors.ts';
import type { KubeletPaths } from '../paths.ts';
import { quantity } from '../resources.ts';
import { writePayload } from './atomic-writer.ts';
import { type ClaimSource, NodeAffinityError, preparePersistentVolume } from './claims.ts';
import { prepareHostPath } from './host-path.ts';
import { type PayloadSource, volumePayload } from './payload.ts';
import { ensureTmpfs, unmountBelow } from './tmpfs.ts';

/** Path on the node of each of a pod's volumes, by name. */
export type VolumePaths = ReadonlyMap<string, string>;

export interface VolumeSource extends PayloadSource {
  readonly claims: ClaimSource;
}

/** `message` is the one of the kubelet's FailedMount event. */
export class VolumeError extends Error {
  constructor(volume: string, cause: unknown) {
    const step = cause instanceof NodeAffinityError ? 'NodeAffinity check' : 'SetUp';
    super(`MountVolume.${step} failed for volume "${volume}" : ${messageOf(cause)}`, { cause });
    this.name = 'VolumeError';
  }
}

/**
 * Makes a pod's volumes, or brings them up to date: called before its first container and again from time to time.
 * Those of images are made with the containers that mount them (`image-volumes.ts`).
 * Throws {@link VolumeError} for the first one that fails.
 */
export async function prepareVolumes(pod: Pod, paths: KubeletPaths, source: VolumeSource): Promise<VolumePaths> {
  const own = (pod.spec?.volumes ?? []).filter(({ image }) => !image);
  const entries = own.map(async (volume) => {
    try {
      return [volume.name, await prepareVolume(pod, volume, paths, source)] as const;
    } catch (error) {
      throw new VolumeError(volume.name, error);
    }
  });
  return new Map(await Promise.all(entries));
}

async function prepareVolume(pod: Pod, volume: Volume, paths: KubeletPaths, source: VolumeSource): Promise<string> {
  const plugin = pluginOf(volume);
  const folder = paths.volume(pod.metadata?.uid ?? '', plugin, volume.name);
  const group = pod.spec?.securityContext?.fsGroup;
  if (volume.hostPath) return await prepareHostPath(volume.hostPath);
  if (volume.emptyDir) return await prepareEmptyDir(folder, volume.emptyDir, group);
  if (hasClaim(volume)) return await preparePersistentVolume(await source.claims(pod, volume), group);
  const payload = await volumePayload(volume, source);
  if (!payload) {
    const type = Object.keys(volume).find((key) => key !== 'name');
    throw new KnitError('VOLUME_TYPE', `knit does not mount volumes of type ${type} yet`);
  }
  if (!volume.secret && !volume.projected) {
    await writePayload(folder, payload, group);
    return folder;
  }
  // Secrets and tokens are never written to a disk.
  await ensureTmpfs(paths.secrets);
  const secret = paths.secret(pod.metadata?.uid ?? '', plugin, volume.name);
  await mkdir(path.dirname(secret), { recursive: true, mode: 0o700 });
  await writePayload(secret, payload, group);
  return secret;
}

/** Whether a pod has volumes whose source may change, or run out, while it runs. */
export function hasChangingVolumes(pod: Pod): boolean {
  return (pod.spec?.volumes ?? []).some(
    (volume) => !volume.emptyDir && !volume.hostPath && !volume.image && !hasClaim(volume),
  );
}

const hasClaim = ({ persistentVolumeClaim, ephemeral }: Volume): boolean =>
  persistentVolumeClaim !== undefined || ephemeral !== undefined;

function pluginOf(volume: Volume): string {
  if (volume.emptyDir) return 'empty-dir';
  if (volume.configMap) return 'configmap';
  if (volume.secret) return 'secret';
  if (volume.downwardAPI) return 'downward-api';
  return 'projected';
}

async function prepareEmptyDir(
  folder: string,
  emptyDir: NonNullable<Volume['emptyDir']>,
  group: number | undefined,
): Promise<string> {
  const inMemory = emptyDir.medium === 'Memory';
  const made = inMemory
    ? await ensureTmpfs(folder, quantity(emptyDir.sizeLimit))
    : (await mkdir(folder, { recursive: true })) !== undefined;
  if (!made) return folder;
  if (group !== undefined) await chown(folder, 0, group);
  // With a group its new files belong to it (the set-group-id bit), as SetVolumeOwnership does; a tmpfs has a sticky bit.
  await chmod(folder, 0o777 | (group === undefined ? 0 : 0o2000) | (inMemory ? 0o1000 : 0));
  return folder;
}

/** Unmounts and removes what a pod has left on the node. */
export async function removePodFolder(uid: string, paths: KubeletPaths): Promise<void> {
  await removeVolumes(uid, paths);
  await rm(paths.pod(uid), { recursive: true, force: true });
}

/** Unmounts and removes what belonged to a pod alone. */
export async function removeVolumes(uid: string, paths: KubeletPaths): Promise<void> {
  const folders = [path.join(paths.pod(uid), 'volumes'), path.join(paths.secrets, uid)];
  await unmountBelow(paths.pod(uid));
  await Promise.all(folders.map((each) => rm(each, { recursive: true, force: true })));
}
