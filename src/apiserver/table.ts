import type { Column, Kind } from '../api/kind.ts';
import type { KubeObject } from '../api/types.ts';
import type { CachedObject } from './cache/object.ts';
import type { Accepted } from './negotiation.ts';

// Forms of answers in the versions of `meta.k8s.io` that clients ask for; they differ in nothing else.
const inEach = (form: string) => [`${form}.v1.meta.k8s.io`, `${form}.v1beta1.meta.k8s.io`];
export const TABLE = inEach('Table');
export const PARTIAL = inEach('PartialObjectMetadata');
export const PARTIAL_LIST = inEach('PartialObjectMetadataList');

/** `meta.k8s.io/v1`, in the version that was asked for. */
export const metaVersion = ({ group, version }: Pick<Accepted, 'group' | 'version'>) => `${group}/${version}`;

export type IncludeObject = 'None' | 'Metadata' | 'Object';

/** What `kubectl get` prints (meta.k8s.io/v1 Table). Cells are made when they are asked for: they tell ages. */
export function tableOf(
  kind: Kind,
  objects: readonly CachedObject[],
  include: IncludeObject,
  metadata: Record<string, unknown>,
  apiVersion: string,
  withColumns = true,
): unknown {
  const now = Date.now();
  return {
    kind: 'Table',
    apiVersion,
    metadata,
    columnDefinitions: withColumns ? kind.columns.map(definitionOf) : null,
    rows: objects.map((cached) => rowOf(kind, cached.parse(), include, apiVersion, now)),
  };
}

function definitionOf({ name, type, format, description, priority }: Column<never>) {
  return { name, type, format: format ?? (name === 'Name' ? 'name' : ''), description, priority };
}

function rowOf(kind: Kind, object: KubeObject, include: IncludeObject, apiVersion: string, now: number) {
  const cells = kind.columns.map((column) => column.cell(object, now));
  const row = { cells, conditions: kind.rowConditions?.(object) };
  if (include === 'None') return row;
  return { ...row, object: include === 'Object' ? object : partialOf(object, apiVersion) };
}

/** An object without all but its metadata. */
export function partialOf(object: { readonly metadata?: object }, apiVersion: string): unknown {
  return { kind: 'PartialObjectMetadata', apiVersion, metadata: object.metadata };
}
