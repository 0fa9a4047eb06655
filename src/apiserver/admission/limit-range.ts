import { podQuantities, type Quantities, quantitiesOf } from '../../api/pod-resources.ts';
import { compareQuantities, formatQuantity, parseQuantity, type Quantity } from '../../api/quantity.ts';
import { limitRanges } from '../../api/resource.ts';
import type { Container, LimitRange, PersistentVolumeClaim, Pod } from '../../api/types.ts';
import { resourcePrefix, type WatchCache } from '../cache/watch-cache.ts';
import { forbidden } from '../errors.ts';
import type { AdmissionPlugin, AdmissionRequest } from './chain.ts';

type Limit = NonNullable<LimitRange['spec']>['limits'][number];

const ANNOTATION = 'kubernetes.io/limit-ranger';

/** Gives containers their namespace's defaults, and refuses what is beyond its bounds. */
export function limitRanger(cache: WatchCache): AdmissionPlugin {
  return {
    name: 'LimitRanger',
    admit(request) {
      const { kind, namespace, object, name } = request;
      if (kind.group !== '' || !object || !changesAmounts(request)) return undefined;
      if (kind.kind !== 'Pod' && kind.kind !== 'PersistentVolumeClaim') return undefined;
      const limits = limitsIn(cache, namespace);
      if (limits.length === 0) return undefined;
      const problems = kind.kind === 'Pod' ? limitPod(object as Pod, limits) : checkClaim(object, limits);
      if (problems.length === 0) return undefined;
      throw forbidden(kind, name, problems.length === 1 ? (problems[0] ?? '') : `[${problems.join(', ')}]`);
    },
  };
}

/** An object that comes, or a pod whose containers are resized in place. */
function changesAmounts({ operation, subresource }: AdmissionRequest): boolean {
  return subresource === '' ? operation === 'CREATE' : subresource === 'resize' && operation === 'UPDATE';
}

function limitsIn(cache: WatchCache, namespace: AdmissionRequest['namespace']): Limit[] {
  const all = cache.resource(limitRanges);
  if (all.size === 0) return [];
  return all
    .list(`${resourcePrefix(limitRanges)}${namespace}/`)
    .flatMap((object) => object.parse<LimitRange>().spec?.limits ?? []);
}

function limitPod(pod: Pod, limits: readonly Limit[]): string[] {
  const ofContainers = limits.filter(({ type }) => type === 'Container');
  setDefaults(pod, ofContainers);
  const containers = [...(pod.spec?.containers ?? []), ...(pod.spec?.initContainers ?? [])];
  const problems = containers.flatMap(({ resources }) =>
    ofContainers.flatMap((limit) => check(limit, quantitiesOf(resources?.requests), quantitiesOf(resources?.limits))),
  );
  const requests = podQuantities(pod.spec, 'requests');
  const most = podQuantities(pod.spec, 'limits');
  const ofPod = limits.filter(({ type }) => type === 'Pod').flatMap((limit) => check(limit, requests, most));
  return [...problems, ...ofPod];
}

function checkClaim(claim: PersistentVolumeClaim, limits: readonly Limit[]): string[] {
  const requests = quantitiesOf(claim.spec?.resources?.requests);
  return limits
    .filter(({ type }) => type === 'PersistentVolumeClaim')
    .flatMap((limit) => [...checkMin(limit, requests, new Map()), ...checkClaimMax(limit, requests)]);
}

/** A claim has no limits: its request is what is compared. */
function checkClaimMax({ type, max = {} }: Limit, requests: Quantities): string[] {
  return Object.entries(max).flatMap(([resource, text]) => {
    const request = requests.get(resource);
    if (!request || compareQuantities(request, parseQuantity(text)) <= 0) return [];
    return [`maximum ${resource} usage per ${type} is ${text}, but request is ${formatQuantity(request)}`];
  });
}

function setDefaults(pod: Pod, limits: readonly Limit[]): void {
  const requests = Object.assign({}, ...limits.map(({ defaultRequest }) => defaultRequest)) as Record<string, string>;
  const most = Object.assign({}, ...limits.map((limit) => limit.default)) as Record<string, string>;
  const notes = [
    ...(pod.spec?.containers ?? []).flatMap((container) => fill(container, 'container', requests, most)),
    ...(pod.spec?.initContainers ?? []).flatMap((container) => fill(container, 'init container', requests, most)),
  ];
  if (notes.length === 0) return;
  pod.metadata = {
    ...pod.metadata,
    annotations: { ...pod.metadata?.annotations, [ANNOTATION]: `LimitRanger plugin set: ${notes.join('; ')}` },
  };
}

/** What was filled in, in the words of Kubernetes' annotation. */
function fill(
  container: Container,
  what: string,
  requests: Readonly<Record<string, string>>,
  limits: Readonly<Record<string, string>>,
): string[] {
  const missing = (of: Readonly<Record<string, string>>, side: 'requests' | 'limits') =>
    Object.keys(of)
      .filter((resource) => container.resources?.[side]?.[resource] === undefined)
      .sort();
  const [noRequest, noLimit] = [missing(requests, 'requests'), missing(limits, 'limits')];
  if (noRequest.length === 0 && noLimit.length === 0) return [];
  container.resources = {
    ...container.resources,
    requests: { ...requests, ...container.resources?.requests },
    limits: { ...limits, ...container.resources?.limits },
  };
  const note = (names: readonly string[], side: string) =>
    names.length > 0 ? [`${names.join(', ')} ${side} for ${what} ${container.name}`] : [];
  return [...note(noRequest, 'request'), ...note(noLimit, 'limit')];
}

function check(limit: Limit, requests: Quantities, limits: Quantities): string[] {
  return [
    ...checkMin(limit, requests, limits),
    ...checkMax(limit, requests, limits),
    ...checkRatio(limit, requests, limits),
  ];
}

function checkMin({ type, min = {} }: Limit, requests: Quantities, limits: Quantities): string[] {
  return Object.entries(min).flatMap(([resource, text]) => {
    const bound = `minimum ${resource} usage per ${type} is ${text}`;
    const least = parseQuantity(text);
    const [request, limit] = [requests.get(resource), limits.get(resource)];
    if (!request) return [`${bound}.  No request is specified`];
    if (compareQuantities(request, least) < 0) return [`${bound}, but request is ${formatQuantity(request)}`];
    return limit && compareQuantities(limit, least) < 0 ? [`${bound}, but limit is ${formatQuantity(limit)}`] : [];
  });
}

function checkMax({ type, max = {} }: Limit, requests: Quantities, limits: Quantities): string[] {
  return Object.entries(max).flatMap(([resource, text]) => {
    const bound = `maximum ${resource} usage per ${type} is ${text}`;
    const most = parseQuantity(text);
    const [request, limit] = [requests.get(resource), limits.get(resource)];
    if (!limit) return [`${bound}.  No limit is specified`];
    if (compareQuantities(limit, most) > 0) return [`${bound}, but limit is ${formatQuantity(limit)}`];
    return request && compareQuantities(request, most) > 0
      ? [`${bound}, but request is ${formatQuantity(request)}`]
      : [];
  });
}

function checkRatio({ type, maxLimitRequestRatio = {} }: Limit, requests: Quantities, limits: Quantities): string[] {
  return Object.entries(maxLimitRequestRatio).flatMap(([resource, text]) => {
    const bound = `${resource} max limit to request ratio per ${type} is ${text}`;
    const [request, limit] = [requests.get(resource), limits.get(resource)];
    if (!request || request.nanos === 0n) return [`${bound}, but no request is specified or request is 0`];
    if (!limit || limit.nanos === 0n) return [`${bound}, but no limit is specified or limit is 0`];
    const ratio = ratioOf(limit, request);
    return ratio > ratioOf(parseQuantity(text), parseQuantity('1'))
      ? [`${bound}, but provided ratio is ${ratio.toFixed(6)}`]
      : [];
  });
}

const ratioOf = (a: Quantity, b: Quantity): number => Number(a.nanos) / Number(b.nanos);
