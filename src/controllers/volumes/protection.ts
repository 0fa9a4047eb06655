import { persistentVolumeClaims, persistentVolumes, pods, type Resource } from '../../api/resource.ts';
import type { KubeObject, PersistentVolume, PersistentVolumeClaim, Pod } from '../../api/types.ts';
import { claimsOf } from '../../api/volumes.ts';
import type { Running } from '../../base/running.ts';
import { keyOf } from '../../client/cache.ts';
import { type Client, isNotFound } from '../../client/client.ts';
import type { ControllerContext } from '../context.ts';
import { hasEnded } from '../pods.ts';

/** Put on by the API server's admission (`StorageObjectInUseProtection`). */
const CLAIM_FINALIZER = 'kubernetes.io/pvc-protection';
const VOLUME_FINALIZER = 'kubernetes.io/pv-protection';
const CLAIM_INDEX = 'claim';

/** Lets claims go when no pod uses them, and volumes when no claim does. */
export function startStorageProtection({ client, informers, run }: ControllerContext): Running {
  const allClaims = informers.informer(persistentVolumeClaims);
  const allVolumes = informers.informer(persistentVolumes);
  const allPods = informers.informer(pods, { indexes: { [CLAIM_INDEX]: claimKeys } });

  const claims = run({
    name: 'pvc-protection-controller',
    informers: [allClaims, allPods],
    async sync(key) {
      const claim = allClaims.get(key);
      if (!claim || !isHeld(claim, CLAIM_FINALIZER) || allPods.byIndex(CLAIM_INDEX, key).some(isUsing)) return;
      // The copy may be old, and a pod that has just come must keep its data.
      const { items } = await client.list(pods, { namespace: claim.metadata?.namespace });
      if (items.some((pod) => isUsing(pod) && claimKeys(pod).includes(key))) return;
      await letGo(client, persistentVolumeClaims, claim, CLAIM_FINALIZER);
    },
  });
  const volumes = run({
    name: 'pv-protection-controller',
    informers: [allVolumes],
    async sync(key) {
      const volume = allVolumes.get(key);
      if (!volume || !isHeld(volume, VOLUME_FINALIZER) || volume.status?.phase === 'Bound') return;
      await letGo(client, persistentVolumes, volume, VOLUME_FINALIZER);
    },
  });

  allClaims.onChange((claim: PersistentVolumeClaim | undefined) => {
    if (claim && isHeld(claim, CLAIM_FINALIZER)) claims.enqueue(keyOf(claim));
  });
  allVolumes.onChange((volume: PersistentVolume | undefined) => {
    if (volume && isHeld(volume, VOLUME_FINALIZER)) volumes.enqueue(keyOf(volume));
  });
  allPods.onChange((pod, old) => {
    if (!old || (pod && isUsing(pod))) return;
    for (const key of claimKeys(old)) {
      const claim = allClaims.get(key);
      if (claim && isHeld(claim, CLAIM_FINALIZER)) claims.enqueue(key);
    }
  });
  return {
    async stop() {
      await Promise.all([claims.stop(), volumes.stop()]);
    },
  };
}

const claimKeys = (pod: Pod): string[] => claimsOf(pod).map(({ claim }) => `${pod.metadata?.namespace}/${claim}`);

/** A pod without a node has nothing open; it will wait. */
const isUsing = (pod: Pod): boolean => Boolean(pod.spec?.nodeName) && !hasEnded(pod);

const isHeld = ({ metadata }: KubeObject, finalizer: string): boolean =>
  metadata?.deletionTimestamp !== undefined && metadata.finalizers?.includes(finalizer) === true;

async function letGo<T extends KubeObject>(client: Client, resource: Resource<T>, object: T, finalizer: string) {
  const { name = '', namespace, uid, resourceVersion } = object.metadata ?? {};
  const finalizers = object.metadata?.finalizers?.filter((each) => each !== finalizer);
  const patch = { metadata: { uid, resourceVersion, finalizers } };
  await client.patch(resource, { name, namespace }, 'merge', patch).catch((error: unknown) => {
    if (!isNotFound(error)) throw error;
  });
}
