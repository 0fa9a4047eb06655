import type { WatchCache } from '../cache/watch-cache.ts';
import type { AdmissionPlugin } from './chain.ts';
import { defaultIngressClass } from './ingress-class.ts';
import { namespaceLifecycle } from './namespace-lifecycle.ts';
import { defaultTolerations, priorityAdmission } from './pods.ts';
import { serviceAccountAdmission } from './service-account.ts';
import { type ServiceRanges, serviceAllocation } from './service-allocation.ts';
import { defaultStorageClass, storageProtection } from './storage.ts';

/** What looks at every write, in this order. */
export function admissionPlugins(cache: WatchCache, ranges: ServiceRanges): AdmissionPlugin[] {
  return [
    namespaceLifecycle(cache),
    serviceAccountAdmission(cache),
    defaultTolerations,
    priorityAdmission(cache),
    defaultIngressClass(cache),
    storageProtection,
    defaultStorageClass(cache),
    serviceAllocation(cache, ranges),
  ];
}
