import { metaOf } from '../../api/kind.ts';
import { compareQuantities, parseQuantity } from '../../api/quantity.ts';
import { persistentVolumeClaims, persistentVolumes, storageClasses } from '../../api/resource.ts';
import type { PersistentVolumeClaim, StorageClass } from '../../api/types.ts';
import { className, defaultClass } from '../../api/volumes.ts';
import { objectKey, type WatchCache } from '../cache/watch-cache.ts';
import { forbidden } from '../errors.ts';
import type { AdmissionPlugin, AdmissionRequest } from './chain.ts';

const finalizers: Readonly<Record<string, string>> = {
  [persistentVolumeClaims.kind]: 'kubernetes.io/pvc-protection',
  [persistentVolumes.kind]: 'kubernetes.io/pv-protection',
};

const isCreate = ({ kind, operation, subresource }: AdmissionRequest): boolean =>
  kind.group === '' && operation === 'CREATE' && subresource === '';

/** Claims and volumes go only when nobody uses them any more. */
export const storageProtection: AdmissionPlugin = {
  name: 'StorageObjectInUseProtection',
  admit(request) {
    const finalizer = isCreate(request) ? finalizers[request.kind.kind] : undefined;
    if (!finalizer || !request.object) return undefined;
    const metadata = metaOf(request.object);
    if (!metadata.finalizers?.includes(finalizer)) metadata.finalizers = [...(metadata.finalizers ?? []), finalizer];
    return undefined;
  },
};

/** A claim that names no class takes the default one. */
export function defaultStorageClass(cache: WatchCache): AdmissionPlugin {
  return {
    name: 'DefaultStorageClass',
    admit(request) {
      if (!isCreate(request) || request.kind.kind !== persistentVolumeClaims.kind) return undefined;
      const claim = request.object as PersistentVolumeClaim;
      if (!claim.spec || className(claim) !== undefined) return undefined;
      const classes = cache.resource(storageClasses).list();
      const found = defaultClass(classes.map((object) => object.parse<StorageClass>()));
      if (found) claim.spec.storageClassName = found.metadata?.name;
      return undefined;
    },
  };
}

/** A claim may grow only where its class lets it. One that is not bound may not change at all, which validation says. */
export function claimResize(cache: WatchCache): AdmissionPlugin {
  const mayGrow = (claim: PersistentVolumeClaim): boolean => {
    const found = cache.resource(storageClasses).get(objectKey(storageClasses, '', className(claim) ?? ''));
    return found?.parse<StorageClass>().allowVolumeExpansion === true;
  };
  return {
    name: 'PersistentVolumeClaimResize',
    admit({ kind, operation, subresource, name, object, old }) {
      if (kind.group !== '' || kind.kind !== persistentVolumeClaims.kind) return undefined;
      if (operation !== 'UPDATE' || subresource !== '') return undefined;
      const [claim, before] = [object as PersistentVolumeClaim, old as PersistentVolumeClaim];
      if (before.status?.phase !== 'Bound' || !grows(claim, before) || mayGrow(before)) return undefined;
      const why =
        'only dynamically provisioned pvc can be resized and the storageclass that provisions the pvc must support resize';
      throw forbidden(kind, name, why);
    },
  };
}

function grows(claim: PersistentVolumeClaim, before: PersistentVolumeClaim): boolean {
  const asked = ({ spec }: PersistentVolumeClaim) => parseQuantity(spec?.resources?.requests?.storage ?? '0');
  return compareQuantities(asked(claim), asked(before)) > 0;
}
