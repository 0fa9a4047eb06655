import type { Authorizer } from '../auth/authorizer.ts';
import type { WatchCache } from '../cache/watch-cache.ts';
import type { AddressBook } from '../service-addresses/book.ts';
import { certificateRequester } from './certificates.ts';
import type { AdmissionPlugin } from './chain.ts';
import { escalation } from './escalation.ts';
import { defaultIngressClass } from './ingress-class.ts';
import { limitRanger } from './limit-range.ts';
import { namespaceLifecycle } from './namespace-lifecycle.ts';
import { nodeRestriction } from './node-restriction.ts';
import { podSecurity } from './pod-security/plugin.ts';
import { defaultTolerations, priorityAdmission } from './pods.ts';
import { resourceQuota } from './resource-quota.ts';
import { runtimeClassAdmission } from './runtime-class.ts';
import { serviceAccountAdmission } from './service-account.ts';
import { type ServiceNumbers, serviceAllocation } from './service-allocation.ts';
import { claimResize, defaultStorageClass, storageProtection } from './storage.ts';
import { podTopologyLabels } from './topology-labels.ts';

/** What looks at every write, in this order. */
export function admissionPlugins(
  cache: WatchCache,
  book: AddressBook,
  numbers: ServiceNumbers,
  authorizer: Authorizer,
): AdmissionPlugin[] {
  return [
    namespaceLifecycle(cache),
    serviceAccountAdmission(cache),
    defaultTolerations,
    priorityAdmission(cache),
    runtimeClassAdmission(cache),
    defaultIngressClass(cache),
    certificateRequester,
    escalation(cache, authorizer),
    storageProtection,
    defaultStorageClass(cache),
    claimResize(cache),
    nodeRestriction(cache, authorizer),
    podSecurity(cache),
    podTopologyLabels(cache),
    limitRanger(cache),
    // Before what is given to the object is reserved, and after all that changes it.
    resourceQuota(cache),
    serviceAllocation(cache, book, numbers),
  ];
}
