import { equal, type Json } from '../patch/json.ts';
import { childOf, isObject, type JsonSchema } from './json-schema.ts';

/**
 * Whether a value is what it was, as far as its schema tells: fields that it does not tell of may always be others
 * (apiserver's CorrelatedObject, KEP-4008).
 */
export function isUnchanged(schema: JsonSchema | undefined, value: unknown, old: unknown): boolean {
  if (Array.isArray(value)) return isSameList(schema, value, old);
  if (!isObject(value)) return value === old;
  const names = Object.keys(value);
  if (!isObject(old) || Object.keys(old).length !== names.length) return false;
  return names.every((name) => {
    const child = childOf(schema, name);
    return child !== undefined && isUnchanged(child, value[name], old[name]);
  });
}

function isSameList(schema: JsonSchema | undefined, list: readonly unknown[], old: unknown): boolean {
  if (!Array.isArray(old) || old.length !== list.length) return false;
  if (schema?.['x-kubernetes-list-type'] !== 'map') return equal(list as Json, old as Json);
  const before = correlated(schema, old);
  return list.every((item) => isUnchanged(schema.items, item, before(item)));
}

/** How an item of a list finds what it was: only items of a list that is a map can be told again. */
export function correlated(schema: JsonSchema | undefined, old: unknown): (item: unknown) => unknown {
  const keys = schema?.['x-kubernetes-list-map-keys'] ?? [];
  if (schema?.['x-kubernetes-list-type'] !== 'map' || !Array.isArray(old)) return () => undefined;
  const keyOf = (item: unknown) => JSON.stringify(keys.map((key) => (isObject(item) ? item[key] : undefined) ?? null));
  const known = new Map(old.map((item) => [keyOf(item), item]));
  return (item) => known.get(keyOf(item));
}
