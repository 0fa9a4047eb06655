import type { FieldError } from '../kind.ts';
import { invalid } from '../kinds/errors.ts';
import { equal, type Json } from '../patch/json.ts';
import { isObject, type JsonSchema } from './json-schema.ts';
import { checkListTypes } from './list-types.ts';
import { prune } from './prune.ts';
import { validateValue } from './validate.ts';

/** Defaults have to be what their own schema allows (apiextensions' ValidateDefaults). */
export function checkDefaults(schema: JsonSchema, path: string): FieldError[] {
  const errors = schema.default === undefined ? [] : checkDefault(schema, schema.default, `${path}.default`);
  for (const [name, child] of Object.entries(schema.properties ?? {})) {
    errors.push(...checkDefaults(child, `${path}.properties[${name}]`));
  }
  if (schema.items) errors.push(...checkDefaults(schema.items, `${path}.items`));
  return errors;
}

function checkDefault(schema: JsonSchema, value: unknown, path: string): FieldError[] {
  const pruned = structuredClone(value);
  // The list stands in an object, so that both can be pruned in one way.
  if (typeof pruned === 'object') prune({ properties: { value: schema } }, { value: pruned });
  const kept = isObject(pruned) || Array.isArray(pruned) ? equal(pruned as Json, value as Json) : true;
  if (!kept) return [invalid(path, value, 'must not have unknown fields')];
  return [...validateValue(schema, value, path), ...checkListTypes(schema, value, path)];
}
