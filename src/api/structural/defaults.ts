import { childOf, isObject, type JsonSchema } from './json-schema.ts';

/**
 * Fills in the defaults of a schema, in place. A null where the schema allows none counts as a missing field: it is
 * defaulted or goes (Kubernetes' PruneNonNullableNullsWithoutDefaults).
 */
export function applyDefaults(schema: JsonSchema | undefined, value: unknown): void {
  dropNulls(schema, value);
  fillIn(schema, value);
}

const isUnwantedNull = (schema: JsonSchema | undefined, value: unknown): boolean =>
  value === null && schema !== undefined && schema.nullable !== true;

function dropNulls(schema: JsonSchema | undefined, value: unknown): void {
  if (Array.isArray(value)) {
    for (const item of value) dropNulls(schema?.items, item);
  } else if (isObject(value)) {
    for (const [name, field] of Object.entries(value)) {
      const child = childOf(schema, name);
      if (isUnwantedNull(child, field) && child?.default === undefined) delete value[name];
      else dropNulls(child, field);
    }
  }
}

function fillIn(schema: JsonSchema | undefined, value: unknown): void {
  if (!schema) return;
  if (Array.isArray(value)) fillInItems(schema, value);
  else if (isObject(value)) {
    for (const [name, child] of Object.entries(schema.properties ?? {})) {
      if (child.default === undefined) continue;
      if (value[name] === undefined || isUnwantedNull(child, value[name])) value[name] = structuredClone(child.default);
    }
    for (const [name, field] of Object.entries(value)) {
      const child = childOf(schema, name);
      if (isUnwantedNull(child, field)) value[name] = structuredClone(child?.default);
      fillIn(child, value[name]);
    }
  }
}

function fillInItems({ items }: JsonSchema, list: unknown[]): void {
  for (const [index, item] of list.entries()) {
    if (isUnwantedNull(items, item)) list[index] = structuredClone(items?.default ?? null);
    fillIn(items, list[index]);
  }
}
