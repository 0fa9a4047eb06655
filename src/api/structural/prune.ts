import { isObject, type JsonObject, type JsonSchema, propertyOf, valuesOf } from './json-schema.ts';

const metaFields: ReadonlySet<string> = new Set(['apiVersion', 'kind', 'metadata']);

/**
 * Removes from an object, in place, what its schema does not know (the `metadata` of the object and of embedded ones is
 * not looked at).
 *
 * @returns paths of what was removed, in order: `spec.foo`, `spec.list[0].bar`
 */
export function prune(schema: JsonSchema | undefined, object: JsonObject): string[] {
  const unknown: string[] = [];
  pruneObject({ ...schema, 'x-kubernetes-embedded-resource': true }, object, '', unknown);
  return unknown.sort();
}

function pruneValue(schema: JsonSchema | undefined, value: unknown, path: string, unknown: string[]): void {
  if (isObject(value)) pruneObject(schema, value, path, unknown);
  else if (Array.isArray(value)) {
    for (const [index, item] of value.entries()) pruneItem(schema, item, `${path}[${index}]`, unknown);
  }
}

/** Whatever a list holds that keeps unknown fields keeps them too, unless its own schema says more. */
function pruneItem(list: JsonSchema | undefined, item: unknown, path: string, unknown: string[]): void {
  const keeps = list?.['x-kubernetes-preserve-unknown-fields'];
  pruneValue(
    keeps ? { ...list.items, 'x-kubernetes-preserve-unknown-fields': true } : list?.items,
    item,
    path,
    unknown,
  );
}

function pruneObject(schema: JsonSchema | undefined, object: JsonObject, path: string, unknown: string[]): void {
  const keeps = schema?.['x-kubernetes-preserve-unknown-fields'] === true;
  const embedded = schema?.['x-kubernetes-embedded-resource'] === true;
  for (const [name, value] of Object.entries(object)) {
    if (embedded && metaFields.has(name)) continue;
    const at = path === '' ? name : `${path}.${name}`;
    const child = propertyOf(schema, name);
    if (child) pruneValue(child, value, at, unknown);
    else if (schema?.additionalProperties !== undefined && schema.additionalProperties !== false) {
      // `additionalProperties: true` takes any value, but tells nothing of the fields in it.
      pruneValue(valuesOf(schema), value, at, unknown);
    } else if (!keeps) {
      unknown.push(at);
      delete object[name];
    }
  }
}
