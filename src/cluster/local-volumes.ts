import { chmod, mkdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { StorageClass } from '../api/types.ts';
import { KnitError } from '../base/errors.ts';
import type { LocalVolumes } from '../controllers/index.ts';
import { PROVISIONER } from '../controllers/volumes/provisioner.ts';
import { clusterPaths } from './paths.ts';

/** The class of claims that name none: a folder on the node where the claim's first pod runs. */
export const standardStorageClass: StorageClass = {
  apiVersion: 'storage.k8s.io/v1',
  kind: 'StorageClass',
  metadata: { name: 'standard', annotations: { 'storageclass.kubernetes.io/is-default-class': 'true' } },
  provisioner: PROVISIONER,
  reclaimPolicy: 'Delete',
  volumeBindingMode: 'WaitForFirstConsumer',
  // A folder holds what its file system does, whatever was asked for: growing is a number.
  allowVolumeExpansion: true,
};

/** Volumes are folders in the nodes' state, which is on this machine. They last as long as their nodes. */
export function localVolumesOf(cluster: string): LocalVolumes {
  const folderOf = (node: string, volume: string): string => {
    // Names make paths, and what a path leads to is removed one day.
    if (![node, volume].every((name) => /^[a-z0-9]([-.a-z0-9]*[a-z0-9])?$/.test(name))) {
      throw new KnitError('BAD_VOLUME', `${node}/${volume} cannot be a folder of a volume`);
    }
    return join(clusterPaths(cluster).node(node).state, 'volumes', volume);
  };
  return {
    async make(node, volume) {
      const folder = folderOf(node, volume);
      await mkdir(folder, { recursive: true });
      // Which user writes into it is not known.
      await chmod(folder, 0o777);
      return folder;
    },
    remove: (node, volume) => rm(folderOf(node, volume), { recursive: true, force: true }),
  };
}
