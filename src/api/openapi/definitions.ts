import type { Kind } from '../kind.ts';
import { apiVersion } from '../resource.ts';
import { definitionOf, type Schema } from '../schema/index.ts';
import {
  deleteOptionsDefinition,
  type FindDefinition,
  listDefinition,
  type Path,
  statusDefinition,
} from './operations.ts';
import type { Dialect, GroupVersionKind, SchemaObject } from './schemas.ts';

/** Finds the definition of a kind, which may be one that is only a subresource's body (Scale, Eviction). */
export function finder(kinds: readonly Kind[], schema: Schema): FindDefinition {
  const key = ({ group, version, kind }: GroupVersionKind) => `${group}/${version}/${kind}`;
  const known = new Map(kinds.map((kind) => [key(kind), kind.definition]));
  return (of) => known.get(key(of)) ?? definitionOf(schema, apiVersion(of), of.kind);
}

/** What a document must hold before what that refers to. */
export function rootsOf(kinds: readonly Kind[], paths: readonly Path[]): Set<string> {
  const roots = new Set(kinds.map((kind) => kind.definition));
  for (const { operations } of paths) {
    for (const { body, answer } of operations) {
      if (body !== undefined) roots.add(body);
      if (answer !== undefined) roots.add(answer);
    }
  }
  return roots;
}

/** The schemas that kinds bring along themselves. */
export function ownSchemas(kinds: readonly Kind[], dialect: Dialect): Record<string, SchemaObject> {
  return Object.assign({}, ...kinds.map((kind) => kind.schema?.openApi(dialect) ?? {}));
}

/** Which kinds each definition is served as: `x-kubernetes-group-version-kind`. */
export function kindsByDefinition(
  kinds: readonly Kind[],
  options: Pick<GroupVersionKind, 'group' | 'version'>,
): Map<string, GroupVersionKind[]> {
  const found = new Map<string, GroupVersionKind[]>();
  const add = (definition: string, of: GroupVersionKind) =>
    found.set(definition, [...(found.get(definition) ?? []), of]);
  for (const kind of kinds) {
    const { group, version } = kind;
    add(kind.definition, { group, version, kind: kind.kind });
    add(listDefinition(kind), { group, version, kind: kind.listKind });
  }
  add(deleteOptionsDefinition, { ...options, kind: 'DeleteOptions' });
  add(statusDefinition, { group: '', version: 'v1', kind: 'Status' });
  add('io.k8s.api.autoscaling.v1.Scale', { group: 'autoscaling', version: 'v1', kind: 'Scale' });
  add('io.k8s.api.policy.v1.Eviction', { group: 'policy', version: 'v1', kind: 'Eviction' });
  return found;
}
