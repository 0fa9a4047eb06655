import type { FieldError } from '../kind.ts';
import type { KubeObject, Labels, ObjectMeta, OwnerReference } from '../types.ts';
import { all, each, forbidden, invalid, required, ruled, tooLong, unchanged } from './errors.ts';
import { dnsSubdomain, faults, faultsOfPrefix, labelValue, qualifiedName, type Rule } from './names.ts';

const maxAnnotationBytes = 256 * 1024;

export interface MetadataRules {
  readonly namespaced: boolean;
  /** Default: DNS subdomain. */
  readonly nameRule?: Rule;
  /** Finalizers may have any name: of kinds that are not Kubernetes' own core, and of definitions. */
  readonly anyFinalizer?: boolean;
}

/** What holds for the `metadata` of every kind. `name` is there already, made of `generateName` or not. */
export function validateMetadata(object: KubeObject, old: KubeObject | undefined, rules: MetadataRules): FieldError[] {
  const meta = object.metadata ?? {};
  return all(
    validateName(meta, rules),
    validateNamespace(meta, rules.namespaced),
    validateLabels(meta.labels, 'metadata.labels'),
    validateAnnotations(meta.annotations, 'metadata.annotations'),
    validateOwners(meta.ownerReferences ?? []),
    validateFinalizers(meta.finalizers ?? [], rules.anyFinalizer === true),
    old?.metadata ? validateMetadataUpdate(meta, old.metadata) : [],
  );
}

function validateName({ name, generateName }: ObjectMeta, { nameRule = dnsSubdomain }: MetadataRules): FieldError[] {
  const ofName = name
    ? ruled('metadata.name', name, nameRule)
    : [required('metadata.name', 'name or generateName is required')];
  if (!generateName) return ofName;
  const wrong = faultsOfPrefix(nameRule, generateName);
  return [...wrong.map((detail) => invalid('metadata.generateName', generateName, detail)), ...ofName];
}

function validateNamespace(meta: ObjectMeta, namespaced: boolean): FieldError[] {
  if (namespaced) return meta.namespace ? [] : [required('metadata.namespace')];
  return meta.namespace ? [forbidden('metadata.namespace', 'not allowed on this type')] : [];
}

/** Keys and values of labels. */
export function validateLabels(labels: Labels | undefined, field: string): FieldError[] {
  return Object.entries(labels ?? {}).flatMap(([key, value]) =>
    all(ruled(field, key, qualifiedName), ruled(field, value, labelValue)),
  );
}

/** Keys of annotations, and their size taken together. */
export function validateAnnotations(annotations: Labels | undefined, field: string): FieldError[] {
  const entries = Object.entries(annotations ?? {});
  const size = entries.reduce((sum, [key, value]) => sum + Buffer.byteLength(key) + Buffer.byteLength(value), 0);
  const errors = entries.flatMap(([key]) =>
    // Keys may have capitals in their prefix, for what was written before the rule was there.
    faults(qualifiedName, key.toLowerCase()).map((wrong) => invalid(field, key, wrong)),
  );
  return size > maxAnnotationBytes ? [...errors, tooLong(field, maxAnnotationBytes)] : errors;
}

function validateOwners(owners: readonly OwnerReference[]): FieldError[] {
  const field = 'metadata.ownerReferences';
  const errors = owners.flatMap((owner) => [
    ...(hasVersion(owner.apiVersion ?? '')
      ? []
      : [invalid(`${field}.apiVersion`, owner.apiVersion ?? '', 'version must not be empty')]),
    ...(['kind', 'name', 'uid'] as const)
      .filter((key) => !owner[key])
      .map((key) => invalid(`${field}.${key}`, owner[key] ?? '', 'must not be empty')),
  ]);
  const [first, second] = owners.filter((owner) => owner.controller);
  if (first && second) {
    const detail = `Only one reference can have Controller set to true. Found "true" in references for ${first.kind}/${first.name} and ${second.kind}/${second.name}`;
    errors.push(invalid(field, owners, detail));
  }
  return errors;
}

/** `VERSION` or `GROUP/VERSION`; of all else Kubernetes finds no version in it. */
function hasVersion(apiVersion: string): boolean {
  const parts = apiVersion.split('/');
  return parts.length <= 2 && parts.at(-1) !== '';
}

const standardFinalizers = ['kubernetes', 'orphan', 'foregroundDeletion'];

function validateFinalizers(finalizers: readonly string[], any: boolean): FieldError[] {
  const field = 'metadata.finalizers';
  const both = finalizers.includes('orphan') && finalizers.includes('foregroundDeletion');
  return all(
    finalizers.flatMap((finalizer) => ruled(field, finalizer, qualifiedName)),
    both && [invalid(field, finalizers, 'finalizer orphan and foregroundDeletion cannot be both set')],
    !any && each(finalizers, field, validateKnownFinalizer),
  );
}

/** A finalizer's name: a standard one, or one with a prefix. */
export function validateFinalizer(finalizer: string, field: string): FieldError[] {
  return all(ruled(field, finalizer, qualifiedName), validateKnownFinalizer(finalizer, field));
}

function validateKnownFinalizer(finalizer: string, field: string): FieldError[] {
  if (finalizer.includes('/') || standardFinalizers.includes(finalizer)) return [];
  return [invalid(field, finalizer, 'name is neither a standard finalizer name nor is it fully qualified')];
}

function validateMetadataUpdate(meta: ObjectMeta, old: ObjectMeta): FieldError[] {
  return all(
    unchanged('metadata.name', meta.name, old.name),
    unchanged('metadata.namespace', meta.namespace, old.namespace),
    unchanged('metadata.uid', meta.uid, old.uid),
    unchanged('metadata.deletionTimestamp', meta.deletionTimestamp, old.deletionTimestamp),
    unchanged('metadata.deletionGracePeriodSeconds', meta.deletionGracePeriodSeconds, old.deletionGracePeriodSeconds),
    newFinalizersWhileDeleting(meta, old),
  );
}

function newFinalizersWhileDeleting(meta: ObjectMeta, old: ObjectMeta): FieldError[] {
  if (!old.deletionTimestamp) return [];
  const added = (meta.finalizers ?? []).filter((one) => !old.finalizers?.includes(one));
  if (added.length === 0) return [];
  const names = added.map((one) => JSON.stringify(one)).join(', ');
  const detail = `no new finalizers can be added if the object is being deleted, found new finalizers []string{${names}}`;
  return [forbidden('metadata.finalizers', detail)];
}
