import { namespaces, pods } from '../../../api/resource.ts';
import type { Container, CronJob, KubeObject, Namespace, Pod, PodTemplateSpec } from '../../../api/types.ts';
import type { CachedObject } from '../../cache/object.ts';
import { objectKey, type WatchCache } from '../../cache/watch-cache.ts';
import { forbidden, invalid } from '../../errors.ts';
import { equalAsJson } from '../../registry/equality.ts';
import type { AdmissionPlugin, AdmissionRequest } from '../chain.ts';
import { detailOf, reasonOf, violationsOf } from './evaluate.ts';
import { formatLevel, isStricter, type LevelVersion, type Policy, policyOf } from './policy.ts';

/** So many of a namespace's pods are looked at when more is asked of them. */
const MOST_PODS = 3000;
/** Of what the audit log tells. */
const ANNOTATION = 'pod-security.kubernetes.io';
/** Writes of a pod that change nothing of what is looked at. */
const ignoredSubresources = new Set(['binding', 'eviction', 'status']);

/** Read once of each revision of a namespace. */
const policies = new WeakMap<CachedObject, Policy>();

/** Holds pods to the Pod Security Standard that their namespace's labels name, and warns of templates (KEP-2579). */
export function podSecurity(cache: WatchCache): AdmissionPlugin {
  return {
    name: 'PodSecurity',
    admit(request) {
      if (request.operation === 'DELETE' || !request.object) return undefined;
      const { kind, subresource } = request;
      if (kind.group === '' && kind.plural === 'namespaces') {
        if (subresource === '') admitNamespace(request);
      } else if (kind.group === '' && kind.plural === 'pods') {
        if (!ignoredSubresources.has(subresource) && !request.objectKind) admitPod(request);
      } else if (subresource === '') admitTemplate(request);
      return undefined;
    },
  };

  function policyIn(namespace: string): Policy | undefined {
    const found = cache.resource(namespaces).get(objectKey(namespaces, '', namespace));
    if (!found) return undefined;
    let policy = policies.get(found);
    if (!policy) {
      policy = policyOf(found.labels);
      policies.set(found, policy);
    }
    return policy;
  }

  function admitPod(request: AdmissionRequest): void {
    const policy = policyIn(request.namespace);
    if (!policy || [policy.enforce, policy.warn, policy.audit].every(({ level }) => level === 'privileged')) return;
    const pod = request.object as Pod;
    if (!pod.spec || (request.old && !isSignificant(pod, request.old as Pod))) return;
    request.annotations?.set(`${ANNOTATION}/enforce-policy`, formatLevel(policy.enforce));
    audit(request, policy.audit, pod);
    const violations = violationsOf(policy.enforce, pod.metadata, pod.spec);
    if (violations.length > 0) {
      const why = `violates PodSecurity "${formatLevel(policy.enforce)}": ${detailOf(violations)}`;
      throw forbidden(request.kind, request.name, why);
    }
    warn(request, policy.warn, pod);
  }

  function admitTemplate(request: AdmissionRequest): void {
    const read = templates[`${request.kind.group}/${request.kind.plural}`];
    if (!read || !request.object) return;
    const policy = policyIn(request.namespace);
    const template = policy && read(request.object);
    if (!template) return;
    audit(request, policy.audit, template);
    warn(request, policy.warn, template);
  }

  function admitNamespace(request: AdmissionRequest): void {
    const { kind, name, object, old } = request;
    const next = policyOf((object as Namespace).metadata?.labels ?? {});
    const before = old && policyOf(old.metadata?.labels ?? {});
    if (next.errors.length > 0 && !equalAsJson(next.errors, before?.errors ?? []))
      throw invalid(kind, name, next.errors);
    const { enforce } = next;
    if (!before || equalAsJson(enforce, before.enforce) || enforce.level === 'privileged') return;
    if (enforce.minor === before.enforce.minor && !isStricter(enforce.level, before.enforce.level)) return;
    request.warnings?.push(...warningsOfPods(name, enforce));
  }

  /** What pods that run already are not held to, but would be. */
  function warningsOfPods(namespace: string, enforce: LevelVersion): string[] {
    const all = cache.resource(pods).list(objectKey(pods, namespace, ''));
    const chosen = oneOfEachController(all.map((object) => object.parse<Pod>())).slice(0, MOST_PODS);
    const names = new Map<string, string[]>();
    for (const { metadata, spec } of chosen) {
      const violations = spec ? violationsOf(enforce, metadata, spec) : [];
      if (violations.length === 0) continue;
      const reason = reasonOf(violations);
      names.set(reason, [...(names.get(reason) ?? []), metadata?.name ?? ''].sort());
    }
    const told = [...names].map(([reason, [first = '', ...others]]) => {
      const more = others.length === 0 ? '' : ` (and ${others.length} other ${others.length === 1 ? 'pod' : 'pods'})`;
      return `${first}${more}: ${reason}`;
    });
    const level = formatLevel(enforce);
    return [
      ...(chosen.length < all.length
        ? [
            `new PodSecurity enforce level only checked against the first ${chosen.length} of ${all.length} existing pods`,
          ]
        : []),
      ...(told.length > 0
        ? [`existing pods in namespace "${namespace}" violate the new PodSecurity enforce level "${level}"`]
        : []),
      ...told.sort(),
    ];
  }
}

function warn(request: AdmissionRequest, level: LevelVersion, pod: Pod | PodTemplateSpec): void {
  const text = violationText(level, pod);
  if (text) request.warnings?.push(text);
}

function audit({ annotations }: AdmissionRequest, level: LevelVersion, pod: Pod | PodTemplateSpec): void {
  const text = annotations && violationText(level, pod);
  if (text) annotations.set(`${ANNOTATION}/audit-violations`, text);
}

function violationText(level: LevelVersion, { metadata, spec }: Pod | PodTemplateSpec): string | undefined {
  const violations = spec && level.level !== 'privileged' ? violationsOf(level, metadata, spec) : [];
  if (violations.length === 0) return undefined;
  return `would violate PodSecurity "${formatLevel(level)}": ${detailOf(violations)}`;
}

type Templated = KubeObject & { readonly spec?: { readonly template?: PodTemplateSpec } };
const ofSpec = (object: KubeObject) => (object as Templated).spec?.template;

/** Kinds that make pods, and where their template is. */
const templates: Readonly<Record<string, (object: KubeObject) => PodTemplateSpec | undefined>> = {
  '/podtemplates': (object) => (object as { template?: PodTemplateSpec }).template,
  '/replicationcontrollers': ofSpec,
  'apps/replicasets': ofSpec,
  'apps/deployments': ofSpec,
  'apps/statefulsets': ofSpec,
  'apps/daemonsets': ofSpec,
  'batch/jobs': ofSpec,
  'batch/cronjobs': (object) => (object as CronJob).spec?.jobTemplate?.spec?.template,
};

/** Other images, or other containers; all else of a pod that is looked at cannot be changed. */
function isSignificant({ spec: next }: Pod, { spec: before }: Pod): boolean {
  const changed = (kind: 'containers' | 'initContainers') => {
    const [a, b]: (readonly Container[])[] = [next?.[kind] ?? [], before?.[kind] ?? []];
    return a?.length !== b?.length || a?.some(({ image }, index) => image !== b?.[index]?.image) === true;
  };
  const old = new Map(before?.ephemeralContainers?.map(({ name, image }) => [name, image]));
  const debugs = next?.ephemeralContainers?.some(({ name, image }) => !old.has(name) || old.get(name) !== image);
  return changed('containers') || changed('initContainers') || debugs === true;
}

/** Pods of one controller are alike: one of each is looked at first. */
function oneOfEachController(all: readonly Pod[]): Pod[] {
  const seen = new Set<string>();
  const [first, others]: [Pod[], Pod[]] = [[], []];
  for (const pod of all) {
    const owner = pod.metadata?.ownerReferences?.find(({ controller }) => controller)?.uid;
    if (owner !== undefined && seen.has(owner)) others.push(pod);
    else first.push(pod);
    if (owner !== undefined) seen.add(owner);
  }
  return [...first, ...others];
}
