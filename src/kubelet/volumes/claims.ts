import { chmod, lchown, readdir, stat } from 'node:fs/promises';
import path from 'node:path';
import { compileNodeSelector } from '../../api/node-selectors.ts';
import { nodes, persistentVolumeClaims, persistentVolumes } from '../../api/resource.ts';
import type { PersistentVolume, Pod, Volume } from '../../api/types.ts';
import { claimsOf, isBound, isKeptFor } from '../../api/volumes.ts';
import type { Client } from '../../client/client.ts';
import { prepareHostPath } from './host-path.ts';

/** Finds the volume of a pod's claim. Throws with the kubelet's words while there is none. */
export type ClaimSource = (pod: Pod, volume: Volume) => Promise<PersistentVolume>;

/** The volume belongs to another node. */
export class NodeAffinityError extends Error {
  constructor() {
    super('no matching NodeSelectorTerms');
    this.name = 'NodeAffinityError';
  }
}

export function createClaimSource(client: Client, nodeName: string): ClaimSource {
  return async (pod, volume) => {
    const { namespace, uid } = pod.metadata ?? {};
    const use = claimsOf(pod).find((each) => each.volume === volume.name);
    const name = use?.claim ?? '';
    const claim = await client.get(persistentVolumeClaims, { namespace, name });
    if (use?.ephemeral && !claim.metadata?.ownerReferences?.some((owner) => owner.uid === uid)) {
      throw new Error(`PVC ${namespace}/${name} was not created for the pod (the pod is not its owner)`);
    }
    if (!isBound(claim)) throw new Error(`error processing PVC ${namespace}/${name}: PVC is not bound`);
    const found = await client.get(persistentVolumes, { name: claim.spec?.volumeName ?? '' });
    if (!isKeptFor(found, claim)) {
      throw new Error(
        `error processing PVC ${namespace}/${name}: PV ${found.metadata?.name} is bound to another claim`,
      );
    }
    // The scheduler has looked at it, but not for pods that name their node themselves.
    const required = found.spec?.nodeAffinity?.required;
    if (required && !compileNodeSelector(required)(await client.get(nodes, { name: nodeName }))) {
      throw new NodeAffinityError();
    }
    return found;
  };
}

/** The path of a persistent volume on this node, made ready for a pod of the group `group`. */
export async function preparePersistentVolume(volume: PersistentVolume, group: number | undefined): Promise<string> {
  const { hostPath, local } = volume.spec ?? {};
  if (hostPath) return await prepareHostPath(hostPath);
  if (!local) throw new Error(`knit mounts persistent volumes of types hostPath and local only`);
  const root = await stat(local.path).catch(() => undefined);
  if (!root) throw new Error(`path "${local.path}" does not exist`);
  // With the right group at its root it was handed over before (fsGroupChangePolicy: OnRootMismatch).
  if (group !== undefined && root.gid !== group) await handOver(local.path, group);
  return local.path;
}

/** Gives all below a folder to a group, which may write and to which new files belong (SetVolumeOwnership). */
async function handOver(folder: string, group: number): Promise<void> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  for (const entry of entries) {
    const file = path.join(entry.parentPath, entry.name);
    const stats = await stat(file).catch(() => undefined);
    await lchown(file, stats?.uid ?? 0, group);
    if (stats && !entry.isSymbolicLink()) await chmod(file, writable(stats.mode, entry.isDirectory()));
  }
  // The root last: it says that all is done.
  const root = await stat(folder);
  await chmod(folder, writable(root.mode, true));
  await lchown(folder, root.uid, group);
}

const writable = (mode: number, isFolder: boolean): number => (mode & 0o7777) | (isFolder ? 0o2770 : 0o660);
