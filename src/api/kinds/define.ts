import type { FieldError, Kind, MetadataPart, Subresource } from '../kind.ts';
import type { KubeObject } from '../types.ts';
import { ageColumn, nameColumn } from './columns.ts';
import { all } from './errors.ts';
import { validateMetadata } from './metadata.ts';
import { pathSegment } from './names.ts';

type Required = 'group' | 'kind' | 'plural' | 'namespaced';

/** What a kind's file says; the rest follows from Kubernetes' conventions. */
export type KindParts<T extends KubeObject> = Pick<Kind<T>, Required> & Partial<Omit<Kind<T>, Required | 'of'>>;

/**
 * A kind's descriptor. By convention, where nothing else is said: version `v1`, `NAMEList`, the schema
 * `io.k8s.api.GROUP.VERSION.NAME`, no status, no subresources, columns Name and Age.
 * Its `validate` checks the metadata too.
 */
export function defineKind<T extends KubeObject>(parts: KindParts<T>): Kind<T> {
  const { group, kind, version = 'v1' } = parts;
  const validateRest = parts.validate?.bind(parts);
  const { nameRule, anyFinalizer } = parts;
  return {
    version,
    listKind: `${kind}List`,
    singular: kind.toLowerCase(),
    shortNames: [],
    categories: [],
    definition: `io.k8s.api.${group.split('.')[0] || 'core'}.${version}.${kind}`,
    hasStatus: false,
    subresources: [],
    generation: false,
    fieldLabels: {},
    columns: [nameColumn, ageColumn],
    ...parts,
    validate(object: T, old: T | undefined, subresource?: string): FieldError[] {
      // With a status nobody looks at what a name that is there could have been made of.
      const rule = subresource === 'status' ? pathSegment : nameRule;
      return all(
        validateMetadata(object, old, { namespaced: parts.namespaced, nameRule: rule, anyFinalizer }),
        validateRest?.(object, old, subresource) ?? [],
      );
    },
  };
}

/** For kinds whose status is written without any of the metadata (`keptByStatus`). */
export const allMetadata: readonly MetadataPart[] = [
  'labels',
  'annotations',
  'finalizers',
  'ownerReferences',
  'deletionTimestamp',
];

/** A subresource in discovery. */
export function subresource(name: string, kind: string, verbs: readonly string[], groupVersion = ''): Subresource {
  if (groupVersion === '') return { name, kind, verbs };
  const [group, version] = groupVersion.split('/') as [string, string];
  return { name, kind, group, version, verbs };
}

/** `scale` of what has `spec.replicas`, and a selector in the status where the spec's is an object. */
export const replicaScale = { specReplicas: '.spec.replicas', statusReplicas: '.status.replicas' } as const;

/** A kind that is answered and not kept: reviews and bindings. */
export const answeredOnly: readonly string[] = ['create'];
