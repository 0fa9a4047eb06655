import { addAll, type Quantities } from '../../api/pod-resources.ts';
import {
  compareQuantities,
  formatQuantity,
  parseQuantity,
  type Quantity,
  subtractQuantities,
} from '../../api/quantity.ts';
import { isInScope, kindOf, usageOf } from '../../api/quota.ts';
import { resourceQuotas } from '../../api/resource.ts';
import type { Container, KubeObject, Pod, ResourceQuota } from '../../api/types.ts';
import { resourcePrefix, type WatchCache } from '../cache/watch-cache.ts';
import { forbidden } from '../errors.ts';
import type { AdmissionPlugin, AdmissionRequest, Settle } from './chain.ts';

/** Amounts that every container has to name where a quota limits them. */
const mustBeNamed = ['cpu', 'memory', 'requests.cpu', 'requests.memory', 'limits.cpu', 'limits.memory'];

interface Pending {
  readonly plural: string;
  readonly namespace: string;
  readonly object: KubeObject;
}

/**
 * Refuses what a namespace's quotas have no room for. What is used is counted from the objects themselves and from
 * writes under way: the quota's status is for people, and may be behind.
 */
export function resourceQuota(cache: WatchCache): AdmissionPlugin {
  const pending = new Set<Pending>();
  return {
    name: 'ResourceQuota',
    admit(request) {
      const { kind, namespace, operation, subresource, object, old, dryRun } = request;
      if (!object || namespace === '' || operation === 'DELETE') return undefined;
      if (subresource !== '' && subresource !== 'resize') return undefined;
      const quotas = quotasIn(cache, namespace);
      if (quotas.length === 0) return undefined;
      const present = () => {
        const underWay = [...pending].filter((each) => each.plural === kind.plural && each.namespace === namespace);
        // Written by now and not settled yet, an object counts once.
        const all = [...underWay.map((each) => each.object), ...objectsIn(cache, request)];
        return [...new Map(all.map((each) => [each.metadata?.name, each])).values()];
      };
      for (const quota of quotas) check(quota, request, object, old, present);
      return dryRun || old ? undefined : reserve(pending, { plural: kind.plural, namespace, object });
    },
  };
}

function reserve(pending: Set<Pending>, entry: Pending): Settle {
  pending.add(entry);
  return () => pending.delete(entry);
}

function quotasIn(cache: WatchCache, namespace: string): ResourceQuota[] {
  const all = cache.resource(resourceQuotas);
  if (all.size === 0) return [];
  return all.list(`${resourcePrefix(resourceQuotas)}${namespace}/`).map((object) => object.parse<ResourceQuota>());
}

function objectsIn(cache: WatchCache, { kind, namespace }: AdmissionRequest): KubeObject[] {
  const all = cache.resource(kind.storedAs?.resource ?? kind);
  return all.list(`${resourcePrefix(kind.storedAs?.resource ?? kind)}${namespace}/`).map((object) => object.parse());
}

function check(
  quota: ResourceQuota,
  request: AdmissionRequest,
  object: KubeObject,
  old: KubeObject | undefined,
  present: () => readonly KubeObject[],
): void {
  const { kind, name } = request;
  const hard = Object.entries(quota.spec?.hard ?? {}).filter(([resource]) => isOf(resource, kind));
  if (hard.length === 0 || !isInScope(quota, kind, object)) return;
  const names = hard.map(([resource]) => resource);
  if (kind.plural === 'pods' && kind.group === '' && !old) assertNamed(quota, request, object as Pod, names);
  const requested = increase(usageOf(kind, object), old && usageOf(kind, old), names);
  if (requested.size === 0) return;
  const used: Quantities = new Map();
  for (const each of present()) if (isInScope(quota, kind, each)) addAll(used, usageOf(kind, each));
  const limits = new Map(hard.map(([resource, text]) => [resource, parseQuantity(text)]));
  const exceeded = [...requested].filter(([resource, amount]) => {
    const sum = new Map([[resource, used.get(resource) ?? zero]]);
    addAll(sum, new Map([[resource, amount]]));
    return compareQuantities(sum.get(resource) ?? zero, limits.get(resource) ?? zero) > 0;
  });
  if (exceeded.length === 0) return;
  const list = (of: ReadonlyMap<string, Quantity>) =>
    exceeded
      .map(([resource]) => `${resource}=${formatQuantity(of.get(resource) ?? zero)}`)
      .sort()
      .join(',');
  const what = `requested: ${list(requested)}, used: ${list(used)}, limited: ${list(limits)}`;
  throw forbidden(kind, name, `exceeded quota: ${quota.metadata?.name}, ${what}`);
}

const zero = parseQuantity('0');

const isOf = (resource: string, { group, plural }: AdmissionRequest['kind']): boolean => {
  const kind = kindOf(resource);
  return (kind?.group === group && kind.plural === plural) || resource === `count/${plural}${group ? `.${group}` : ''}`;
};

/** What the write adds; what it gives back is always allowed. */
function increase(next: Quantities, before: Quantities | undefined, names: readonly string[]): Quantities {
  const more: Quantities = new Map();
  for (const name of names) {
    const amount = next.get(name);
    if (!amount) continue;
    const delta = subtractQuantities(amount, before?.get(name) ?? zero);
    if (compareQuantities(delta, zero) > 0) more.set(name, delta);
  }
  return more;
}

function assertNamed(quota: ResourceQuota, { kind, name }: AdmissionRequest, pod: Pod, names: readonly string[]): void {
  const containers = [...(pod.spec?.containers ?? []), ...(pod.spec?.initContainers ?? [])];
  const missing = names
    .filter((resource) => mustBeNamed.includes(resource) && !pod.spec?.resources)
    .map((resource) => ({ resource, without: containers.filter((container) => !isNamed(container, resource)) }))
    .filter(({ without }) => without.length > 0)
    .sort((a, b) => a.resource.localeCompare(b.resource))
    .map(({ resource, without }) => `${resource} for: ${without.map((container) => container.name).join(',')}`);
  if (missing.length === 0) return;
  throw forbidden(kind, name, `failed quota: ${quota.metadata?.name}: must specify ${missing.join('; ')}`);
}

/** `limits.cpu` of its limits, `requests.cpu` and `cpu` of its requests. */
function isNamed({ resources }: Container, resource: string): boolean {
  const [side, name] = resource.includes('.') ? resource.split('.') : ['requests', resource];
  return resources?.[side as 'requests' | 'limits']?.[name ?? ''] !== undefined;
}
