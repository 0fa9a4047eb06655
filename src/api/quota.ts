import { podQuantities, type Quantities } from './pod-resources.ts';
import { parseQuantity, type Quantity } from './quantity.ts';
import type { Resource } from './resource.ts';
import type { Container, KubeObject, PersistentVolumeClaim, Pod, ResourceQuota, Service } from './types.ts';
import { className } from './volumes.ts';

type Kind = Pick<Resource, 'group' | 'plural'>;

const one: Quantity = parseQuantity('1');
const count = (number: number): Quantity => parseQuantity(String(number));

/** Kinds of the core group that are counted under their bare name too. */
const counted = new Set(['configmaps', 'secrets', 'replicationcontrollers', 'resourcequotas', 'services']);

/** What an object takes of quotas, by their names of resources (`requests.cpu`, `count/jobs.batch`). */
export function usageOf(kind: Kind, object: KubeObject): Quantities {
  const usage: Quantities = new Map([[`count/${kind.plural}${kind.group ? `.${kind.group}` : ''}`, one]]);
  if (kind.group !== '') return usage;
  if (counted.has(kind.plural)) usage.set(kind.plural, one);
  if (kind.plural === 'pods') podUsage(usage, object);
  if (kind.plural === 'services') serviceUsage(usage, object);
  if (kind.plural === 'persistentvolumeclaims') claimUsage(usage, object);
  return usage;
}

const hasEnded = ({ status }: Pod): boolean => status?.phase === 'Succeeded' || status?.phase === 'Failed';

/** A pod that ended is only counted as an object. */
function podUsage(usage: Quantities, pod: Pod): void {
  if (hasEnded(pod)) return;
  usage.set('pods', one);
  for (const [name, amount] of podQuantities(pod.spec, 'requests')) {
    usage.set(`requests.${name}`, amount);
    if (['cpu', 'memory', 'ephemeral-storage'].includes(name) || name.startsWith('hugepages-')) usage.set(name, amount);
  }
  for (const [name, amount] of podQuantities(pod.spec, 'limits')) usage.set(`limits.${name}`, amount);
}

function serviceUsage(usage: Quantities, { spec }: Service): void {
  const isBalanced = spec?.type === 'LoadBalancer';
  if (isBalanced) usage.set('services.loadbalancers', one);
  const ports = spec?.ports ?? [];
  if (spec?.type === 'NodePort') usage.set('services.nodeports', count(ports.length));
  if (isBalanced && spec.allocateLoadBalancerNodePorts !== false) {
    usage.set('services.nodeports', count(ports.length));
  }
}

function claimUsage(usage: Quantities, claim: PersistentVolumeClaim): void {
  const storage = parseQuantity(claim.spec?.resources?.requests?.storage ?? '0');
  usage.set('persistentvolumeclaims', one);
  usage.set('requests.storage', storage);
  const name = className(claim);
  if (!name) return;
  usage.set(`${name}.storageclass.storage.k8s.io/persistentvolumeclaims`, one);
  usage.set(`${name}.storageclass.storage.k8s.io/requests.storage`, storage);
}

/** The kind whose objects a quota's resource is about; `undefined` for one that nobody counts. */
export function kindOf(resource: string): Kind | undefined {
  if (resource.startsWith('count/')) {
    const [plural = '', ...group] = resource.slice('count/'.length).split('.');
    return { group: group.join('.'), plural };
  }
  const plural = resource.split('.')[0] ?? '';
  if (counted.has(plural)) return { group: '', plural };
  if (
    resource === 'requests.storage' ||
    /(^|\/)persistentvolumeclaims$|storageclass\.storage\.k8s\.io\//.test(resource)
  ) {
    return { group: '', plural: 'persistentvolumeclaims' };
  }
  return { group: '', plural: 'pods' };
}

type Requirement = NonNullable<
  NonNullable<NonNullable<ResourceQuota['spec']>['scopeSelector']>['matchExpressions']
>[number];

/** Whether an object is of those that the quota's scopes speak of. */
export function isInScope(quota: ResourceQuota, kind: Kind, object: KubeObject): boolean {
  const { scopes = [], scopeSelector } = quota.spec ?? {};
  const requirements: Requirement[] = [
    ...scopes.map((scopeName) => ({ scopeName, operator: 'Exists' })),
    ...(scopeSelector?.matchExpressions ?? []),
  ];
  if (requirements.length === 0) return true;
  // Scopes are about pods and claims; what is neither has none.
  const matches = kind.group === '' ? scopeMatchers[kind.plural] : undefined;
  return matches !== undefined && requirements.every((requirement) => matches(requirement, object));
}

const scopeMatchers: Readonly<Record<string, (requirement: Requirement, object: KubeObject) => boolean>> = {
  pods: matchesPodScope,
  persistentvolumeclaims: matchesClaimScope,
};

/** A claim that changes its class is of the class that it has, of the one that it asks for, and of the one on the way. */
function matchesClaimScope({ scopeName, operator, values = [] }: Requirement, claim: PersistentVolumeClaim): boolean {
  if (scopeName !== 'VolumeAttributesClass') return false;
  const { currentVolumeAttributesClassName, modifyVolumeStatus } = claim.status ?? {};
  const names = [
    claim.spec?.volumeAttributesClassName,
    currentVolumeAttributesClassName,
    modifyVolumeStatus?.targetVolumeAttributesClassName,
  ].filter((name) => name);
  if (names.length === 0) return matchesValue(operator, values, undefined);
  return names.some((name) => matchesValue(operator, values, name));
}

function matchesPodScope({ scopeName, operator, values = [] }: Requirement, pod: Pod): boolean {
  const { spec } = pod;
  switch (scopeName) {
    case 'Terminating':
      return (spec?.activeDeadlineSeconds ?? -1) >= 0;
    case 'NotTerminating':
      return spec?.activeDeadlineSeconds === undefined;
    case 'BestEffort':
      return isBestEffort(pod);
    case 'NotBestEffort':
      return !isBestEffort(pod);
    case 'CrossNamespacePodAffinity':
      return reachesOtherNamespaces(pod);
    case 'PriorityClass':
      return matchesValue(operator, values, spec?.priorityClassName || undefined);
    default:
      return false;
  }
}

function matchesValue(operator: string, values: readonly string[], value: string | undefined): boolean {
  if (operator === 'Exists') return value !== undefined;
  if (operator === 'DoesNotExist') return value === undefined;
  const isIn = value !== undefined && values.includes(value);
  return operator === 'NotIn' ? !isIn : isIn;
}

function isBestEffort({ spec }: Pod): boolean {
  const containers: Container[] = [...(spec?.containers ?? []), ...(spec?.initContainers ?? [])];
  const named = ({ requests, limits }: NonNullable<Container['resources']>) =>
    [...Object.keys(requests ?? {}), ...Object.keys(limits ?? {})].some((name) => name === 'cpu' || name === 'memory');
  return ![spec?.resources, ...containers.map(({ resources }) => resources)].some((each) => each && named(each));
}

function reachesOtherNamespaces({ spec }: Pod): boolean {
  const { podAffinity, podAntiAffinity } = spec?.affinity ?? {};
  const terms = [podAffinity, podAntiAffinity].flatMap((affinity) => [
    ...(affinity?.requiredDuringSchedulingIgnoredDuringExecution ?? []),
    ...(affinity?.preferredDuringSchedulingIgnoredDuringExecution ?? []).map(({ podAffinityTerm }) => podAffinityTerm),
  ]);
  return terms.some(
    ({ namespaces, namespaceSelector }) => Boolean(namespaces?.length) || namespaceSelector !== undefined,
  );
}
