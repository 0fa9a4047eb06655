import type { WatchCache } from '../cache/watch-cache.ts';
import { certificateRequester } from './certificates.ts';
import type { AdmissionPlugin } from './chain.ts';
import { defaultIngressClass } from './ingress-class.ts';
import { limitRanger } from './limit-range.ts';
import { namespaceLifecycle } from './namespace-lifecycle.ts';
import { defaultTolerations, priorityAdmission } from './pods.ts';
import { resourceQuota } from './resource-quota.ts';
import { runtimeClassAdmission } from './runtime-class.ts';
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
    runtimeClassAdmission(cache),
    defaultIngressClass(cache),
    certificateRequester,
    storageProtection,
    defaultStorageClass(cache),
    limitRanger(cache),
    // Before what is given to the object is reserved, and after all that changes it.
    resourceQuota(cache),
    serviceAllocation(cache, ranges),
  ];
}
