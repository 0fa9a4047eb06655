import { persistentVolumeClaims, pods, statefulSets } from '../../api/resource.ts';
import type { OwnerReference, PersistentVolumeClaim, Pod, StatefulSet } from '../../api/types.ts';
import { messageOf } from '../../base/errors.ts';
import { keyOf } from '../../client/cache.ts';
import { type Client, isAlreadyExists, isNotFound } from '../../client/client.ts';
import type { EventRecorder } from '../../client/events.ts';
import type { Informer } from '../../client/informer.ts';
import { controllerReference } from '../owners.ts';
import { claimsFor, ordinalOf, podName } from './identity.ts';

export interface Claims {
  /** Makes what a pod of this number claims. Throws while an older claim of the name is about to go with its pod. */
  make(set: StatefulSet, ordinal: number): Promise<void>;
  /**
   * Ties the claims of these pods to what they shall go with, by `persistentVolumeClaimRetentionPolicy`: the set, or the
   * pod where a smaller number of replicas ends it, or nothing.
   */
  tie(set: StatefulSet, present: readonly Pod[], condemned: readonly Pod[]): Promise<void>;
}

export function createClaims(client: Client, informer: Informer<PersistentVolumeClaim>, events: EventRecorder): Claims {
  const create = async (set: StatefulSet, claim: PersistentVolumeClaim, pod: string): Promise<void> => {
    const what = `create Claim ${claim.metadata?.name} Pod ${pod} in StatefulSet ${set.metadata?.name}`;
    try {
      await client.create(persistentVolumeClaims, claim);
      events.event(set, 'Normal', 'SuccessfulCreate', `${what} success`);
    } catch (error) {
      if (isAlreadyExists(error)) return;
      events.event(set, 'Warning', 'FailedCreate', `${what} failed error: ${messageOf(error)}`);
      throw error;
    }
  };

  const tieOne = async (set: StatefulSet, pod: Pod, claim: PersistentVolumeClaim, owner?: OwnerReference) => {
    const references = claim.metadata?.ownerReferences ?? [];
    const isOurs = ({ kind, name: owning, uid }: OwnerReference) =>
      uid === set.metadata?.uid || (kind === 'Pod' && owning === pod.metadata?.name);
    const others = references.filter((reference) => !isOurs(reference));
    // A claim that something else controls is not the set's to let go.
    const wanted = owner && !others.some(({ controller }) => controller) ? [...others, owner] : others;
    const uids = (list: readonly OwnerReference[]) => list.map(({ uid }) => uid).join();
    if (uids(wanted) === uids(references)) return;
    const { name = '', namespace, uid, resourceVersion } = claim.metadata ?? {};
    const ownerReferences = wanted.length > 0 ? wanted : null;
    const patch = { metadata: { uid, resourceVersion, ownerReferences } };
    await client.patch(persistentVolumeClaims, { name, namespace }, 'merge', patch).catch((error: unknown) => {
      if (!isNotFound(error)) throw error;
    });
  };

  return {
    async make(set, ordinal) {
      const name = podName(set, ordinal);
      for (const { claim } of claimsFor(set, ordinal)) {
        const present = informer.get(keyOf(claim));
        if (present?.metadata?.deletionTimestamp) throw new Error(`claim ${present.metadata.name} is being deleted`);
        if (!present) await create(set, claim, name);
      }
    },
    async tie(set, present, condemned) {
      const { whenDeleted, whenScaled } = set.spec?.persistentVolumeClaimRetentionPolicy ?? {};
      for (const pod of present) {
        const isCondemned = condemned.includes(pod);
        const withPod = isCondemned && whenScaled === 'Delete' ? controllerReference(pods, pod) : undefined;
        const withSet = whenDeleted === 'Delete' ? controllerReference(statefulSets, set) : undefined;
        for (const { claim } of claimsFor(set, ordinalOf(set, pod) ?? 0)) {
          const found = informer.get(keyOf(claim));
          if (found && !found.metadata?.deletionTimestamp) await tieOne(set, pod, found, withPod ?? withSet);
        }
      }
    },
  };
}
