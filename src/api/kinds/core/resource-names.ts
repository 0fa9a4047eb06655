import type { FieldError } from '../../kind.ts';
import { invalid } from '../errors.ts';
import { qualifiedName } from '../names.ts';

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

const isHugePages = (name: string) => /^(?:requests\.)?hugepages-/.test(name);
const isNative = (name: string) => !name.includes('/') || name.includes('kubernetes.io/');

/** A resource that is somebody's own: `example.com/gpu`. */
function isExtended(name: string): boolean {
  return !isNative(name) && !name.startsWith('requests.') && qualifiedName(`requests.${name}`) === undefined;
}

/** Whether quotas know it without being told of it. */
export function isQuotaResource(name: string): boolean {
  return quotaResources.has(name) || isHugePages(name);
}

/** Whether there are only whole ones. */
export function isCounted(name: string): boolean {
  return counted.includes(name) || isExtended(name);
}

/** Whether more of it may be promised than there is. */
export function mayOvercommit(name: string): boolean {
  return isNative(name) && !name.startsWith('hugepages-');
}

/** Of names without a prefix only Kubernetes' own are known. */
export function validateResourceName(name: string, field: string): FieldError[] {
  const wrong = qualifiedName(name);
  if (wrong) return [invalid(field, name, wrong)];
  if (name.includes('/') || isQuotaResource(name) || name === 'storage') return [];
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
  const [isKnown, detail] = name.includes('/')
    ? [isNative(name) || isExtended(name), "doesn't follow extended resource name standard"]
    : [compute.includes(name) || name.startsWith('hugepages-'), 'must be a standard resource for containers'];
  return [...validateResourceName(name, field), ...(isKnown ? [] : [invalid(field, name, detail)])];
}
