import type { Column, Kind } from '../api/kind.ts';
import type { KubeObject } from '../api/types.ts';
import type { CachedObject } from './cache/object.ts';

export const TABLE = 'Table.v1.meta.k8s.io';
export const PARTIAL = 'PartialObjectMetadata.v1.meta.k8s.io';
export const PARTIAL_LIST = 'PartialObjectMetadataList.v1.meta.k8s.io';

export type IncludeObject = 'None' | 'Metadata' | 'Object';

/** What `kubectl get` prints (meta.k8s.io/v1 Table). Cells are made when they are asked for: they tell ages. */
export function tableOf(
  kind: Kind,
  objects: readonly CachedObject[],
  include: IncludeObject,
  metadata: Record<string, unknown>,
  withColumns = true,
): unknown {
  const now = Date.now();
  return {
    kind: 'Table',
    apiVersion: 'meta.k8s.io/v1',
    metadata,
    columnDefinitions: withColumns ? kind.columns.map(definitionOf) : null,
    rows: objects.map((cached) => rowOf(kind, cached.parse(), include, now)),
  };
}

function definitionOf({ name, type, format, description, priority }: Column<never>) {
  return { name, type, format: format ?? (name === 'Name' ? 'name' : ''), description, priority };
}

function rowOf(kind: Kind, object: KubeObject, include: IncludeObject, now: number) {
  const cells = kind.columns.map((column) => column.cell(object, now));
  if (include === 'None') return { cells };
  return { cells, object: include === 'Object' ? object : partialOf(object) };
}

/** An object without all but its metadata. */
export function partialOf(object: KubeObject): unknown {
  return { kind: 'PartialObjectMetadata', apiVersion: 'meta.k8s.io/v1', metadata: object.metadata };
}
