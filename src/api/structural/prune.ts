import { isObject, type JsonObject, type JsonSchema, propertyOf, valuesOf } from './json-schema.ts';

const metaFields: ReadonlySet<string> = new Set(['apiVersion', 'kind', 'metadata']);

/** Removes from the metadata of an embedded object, in place, what is none; returns the paths of it. */
export type PruneMetadata = (metadata: unknown) => readonly string[];

/**
 * Removes from an object, in place, what its schema does not know (its own `metadata` is not looked at).
 *
 * @returns paths of what was removed, in order: `spec.foo`, `spec.list[0].bar`
 */
export function prune(
  schema: JsonSchema | undefined,
  object: JsonObject,
  pruneMetadata: PruneMetadata = () => [],
): string[] {
  const pruning = { unknown: [], pruneMetadata };
  pruneObject({ ...schema, 'x-kubernetes-embedded-resource': true }, object, '', pruning);
  return pruning.unknown.sort();
}

interface Pruning {
  readonly unknown: string[];
  readonly pruneMetadata: PruneMetadata;
}

function pruneValue(schema: JsonSchema | undefined, value: unknown, path: string, pruning: Pruning): void {
  if (isObject(value)) pruneObject(schema, value, path, pruning);
  else if (Array.isArray(value)) {
    for (const [index, item] of value.entries()) pruneItem(schema, item, `${path}[${index}]`, pruning);
  }
}

/** Whatever a list holds that keeps unknown fields keeps them too, unless its own schema says more. */
function pruneItem(list: JsonSchema | undefined, item: unknown, path: string, pruning: Pruning): void {
  const keeps = list?.['x-kubernetes-preserve-unknown-fields'];
  pruneValue(
    keeps ? { ...list.items, 'x-kubernetes-preserve-unknown-fields': true } : list?.items,
    item,
    path,
    pruning,
  );
}

function pruneObject(schema: JsonSchema | undefined, object: JsonObject, path: string, pruning: Pruning): void {
  const { unknown, pruneMetadata } = pruning;
  const keeps = schema?.['x-kubernetes-preserve-unknown-fields'] === true;
  const embedded = schema?.['x-kubernetes-embedded-resource'] === true;
  for (const [name, value] of Object.entries(object)) {
    const at = path === '' ? name : `${path}.${name}`;
    if (embedded && metaFields.has(name)) {
      if (path !== '' && name === 'metadata') unknown.push(...pruneMetadata(value).map((each) => `${at}.${each}`));
      continue;
    }
    const child = propertyOf(schema, name);
    if (child) pruneValue(child, value, at, pruning);
    else if (schema?.additionalProperties !== undefined && schema.additionalProperties !== false) {
      // `additionalProperties: true` takes any value, but tells nothing of the fields in it.
      pruneValue(valuesOf(schema), value, at, pruning);
    } else if (!keeps) {
      unknown.push(at);
      delete object[name];
    }
  }
}
