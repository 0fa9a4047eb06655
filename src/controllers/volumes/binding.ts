import { persistentVolumeClaims, persistentVolumes } from '../../api/resource.ts';
import type { PersistentVolume, PersistentVolumeClaim } from '../../api/types.ts';
import { BIND_COMPLETED, BOUND_BY_CONTROLLER } from '../../api/volumes.ts';
import type { Client } from '../../client/client.ts';
import { writeStatus } from '../status.ts';

/**
 * Binds a claim and a volume to each other. In this order: the volume is kept for the claim first, so that of two claims
 * only one can go on; whoever is interrupted finds out from the objects where to go on.
 */
export async function bind(client: Client, claim: PersistentVolumeClaim, volume: PersistentVolume): Promise<void> {
  const kept = await keep(client, volume, claim);
  await writeStatus(client, persistentVolumes, kept, { ...kept.status, phase: 'Bound' });
  const bound = await attach(client, claim, kept);
  const { accessModes, capacity, volumeAttributesClassName } = kept.spec ?? {};
  // Only once: from then on it is for who changes volumes to say which class a volume has.
  const isNew = bound.status?.phase === 'Bound' ? {} : { currentVolumeAttributesClassName: volumeAttributesClassName };
  const status = { ...bound.status, phase: 'Bound', accessModes, capacity, ...isNew };
  await writeStatus(client, persistentVolumeClaims, bound, status);
}

async function keep(client: Client, volume: PersistentVolume, claim: PersistentVolumeClaim): Promise<PersistentVolume> {
  const { name, namespace, uid, resourceVersion } = claim.metadata ?? {};
  if (volume.spec?.claimRef?.uid === uid) return volume;
  const byUs: Record<string, string> = volume.spec?.claimRef ? {} : { [BOUND_BY_CONTROLLER]: 'yes' };
  return await client.update(persistentVolumes, {
    ...volume,
    metadata: { ...volume.metadata, annotations: { ...volume.metadata?.annotations, ...byUs } },
    spec: {
      ...volume.spec,
      claimRef: { apiVersion: 'v1', kind: 'PersistentVolumeClaim', namespace, name, uid, resourceVersion },
    },
  });
}

async function attach(
  client: Client,
  claim: PersistentVolumeClaim,
  volume: PersistentVolume,
): Promise<PersistentVolumeClaim> {
  const { annotations } = claim.metadata ?? {};
  const { volumeName } = claim.spec ?? {};
  if (volumeName && annotations?.[BIND_COMPLETED]) return claim;
  const byUs: Record<string, string> = volumeName ? {} : { [BOUND_BY_CONTROLLER]: 'yes' };
  return await client.update(persistentVolumeClaims, {
    ...claim,
    metadata: { ...claim.metadata, annotations: { ...annotations, ...byUs, [BIND_COMPLETED]: 'yes' } },
    spec: { ...claim.spec, volumeName: volume.metadata?.name },
  });
}

/** Takes back what {@link bind} has written into a volume whose claim is bound to another one. */
export async function unbind(client: Client, volume: PersistentVolume): Promise<void> {
  const { [BOUND_BY_CONTROLLER]: byUs, ...annotations } = volume.metadata?.annotations ?? {};
  const { claimRef, ...spec } = volume.spec ?? {};
  // What people have kept for a claim by its name stays so.
  const kept = byUs ? spec : { ...spec, claimRef: { ...claimRef, uid: undefined, resourceVersion: undefined } };
  await client.update(persistentVolumes, { ...volume, metadata: { ...volume.metadata, annotations }, spec: kept });
}
