import type { FieldError } from '../kind.ts';
import { invalid, ruled } from './errors.ts';
import { qualifiedName } from './names.ts';

/** What every node has, under names without a prefix. */
const compute = ['cpu', 'memory', 'ephemeral-storage'];
const counted = [
  'pods',
  'resourcequotas',
  'services',
  'replicationcontrollers',
  'secrets',
  'configmaps',
  'persistentvolumeclaims',
  'services.nodeports',
  'services.loadbalancers',
];
const quotaResources = new Set([
  ...compute,
  ...counted,
  ...compute.flatMap((name) => [`requests.${name}`, `limits.${name}`]),
  'requests.storage',
]);

/** Before the size of a page: `hugepages-2Mi`. */
export const hugePages = 'hugepages-';

export const isHugePages = (name: string): boolean => name.startsWith(hugePages);
const isNative = (name: string): boolean => !name.includes('/') || name.includes('kubernetes.io/');

/** A resource that is somebody's own: `example.com/gpu`. */
export function isExtended(name: string): boolean {
  return !isNative(name) && !name.startsWith('requests.') && qualifiedName(`requests.${name}`) === undefined;
}

/** Whether quotas know it without being told of it. */
export function isQuotaResource(name: string): boolean {
  return quotaResources.has(name) || isHugePages(name) || name.startsWith(`requests.${hugePages}`);
}

/** Whether there are only whole ones. */
export function isCounted(name: string): boolean {
  return counted.includes(name) || isExtended(name);
}

/** Whether more of it may be promised than there is. */
export function mayOvercommit(name: string): boolean {
  return isNative(name) && !isHugePages(name);
}

/** Of names without a prefix only Kubernetes' own are known. */
export function validateResourceName(name: string, field: string): FieldError[] {
  const wrong = ruled(field, name, qualifiedName);
  if (wrong.length > 0 || name.includes('/') || isQuotaResource(name) || name === 'storage') return wrong;
  return [invalid(field, name, 'must be a standard resource type or fully qualified')];
}

export function validateQuotaResourceName(name: string, field: string): FieldError[] {
  const isUnknown = !name.includes('/') && !isQuotaResource(name);
  return [
    ...validateResourceName(name, field),
    ...(isUnknown ? [invalid(field, name, 'must be a standard resource for quota')] : []),
  ];
}

export function validateContainerResourceName(name: string, field: string): FieldError[] {
  if (compute.includes(name)) return [];
  const [isKnown, detail] = name.includes('/')
    ? [isNative(name) || isExtended(name), "doesn't follow extended resource name standard"]
    : [isHugePages(name), 'must be a standard resource for containers'];
  return [...validateResourceName(name, field), ...(isKnown ? [] : [invalid(field, name, detail)])];
}
