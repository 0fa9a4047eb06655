import { metaOf } from '../../api/kind.ts';
import { persistentVolumeClaims, persistentVolumes, storageClasses } from '../../api/resource.ts';
import type { PersistentVolumeClaim, StorageClass } from '../../api/types.ts';
import { className, defaultClass } from '../../api/volumes.ts';
import type { WatchCache } from '../cache/watch-cache.ts';
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
