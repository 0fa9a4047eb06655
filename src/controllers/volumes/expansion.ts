import { compareQuantities, parseQuantity } from '../../api/quantity.ts';
import { persistentVolumes } from '../../api/resource.ts';
import type { PersistentVolume, PersistentVolumeClaim } from '../../api/types.ts';
import { keyOf } from '../../client/cache.ts';
import type { Client } from '../../client/client.ts';
import type { EventRecorder } from '../../client/events.ts';
import { isOurs } from './provisioner.ts';

export interface Expansion {
  /** The volume with as much room as its claim asks for. That a claim may ask, the API server has checked. */
  expand(claim: PersistentVolumeClaim, volume: PersistentVolume): Promise<PersistentVolume>;
}

/** Folders grow by a number in their object. Volumes of others are left to who made them. */
export function createExpansion(client: Client, events: EventRecorder): Expansion {
  return {
    async expand(claim, volume) {
      const storage = claim.spec?.resources?.requests?.storage;
      const granted = claim.status?.capacity?.storage ?? volume.spec?.capacity?.storage;
      if (storage === undefined || granted === undefined || !isMore(storage, granted)) return volume;
      if (!isOurs(volume)) {
        const message = 'waiting for an external controller to expand this PVC';
        events.event(claim, 'Normal', 'ExternalExpanding', message);
        return volume;
      }
      if (!isMore(storage, volume.spec?.capacity?.storage ?? '0')) return volume;
      const capacity = { ...volume.spec?.capacity, storage };
      const { name = '', uid } = volume.metadata ?? {};
      const grown = await client.patch(persistentVolumes, { name }, 'merge', { metadata: { uid }, spec: { capacity } });
      const message = `ExpandVolume succeeded for volume ${keyOf(claim)}`;
      events.event(claim, 'Normal', 'VolumeResizeSuccessful', message);
      return grown;
    },
  };
}

const isMore = (storage: string, than: string): boolean =>
  compareQuantities(parseQuantity(storage), parseQuantity(than)) > 0;
