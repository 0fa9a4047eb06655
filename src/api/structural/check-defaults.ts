import type { SchemaRules } from '../cel/rules.ts';
import type { FieldError } from '../kind.ts';
import { invalid } from '../kinds/errors.ts';
import { equal, type Json } from '../patch/json.ts';
import { checkEmbedded, metadataType } from './embedded.ts';
import { isObject, type JsonSchema } from './json-schema.ts';
import { prune } from './prune.ts';
import { validateAt } from './validate.ts';

/**
 * Defaults have to be what their own schema allows (apiextensions' ValidateDefaults).
 *
 * @param rules those of the whole schema
 */
export function checkDefaults(schema: JsonSchema, path: string, rules?: SchemaRules): FieldError[] {
  const given = schema.default ?? undefined;
  const errors = given === undefined ? [] : checkDefault(schema, given, `${path}.default`, rules);
  if (schema.items) errors.push(...checkDefaults(schema.items, `${path}.items`, rules));
  for (const [name, child] of Object.entries(schema.properties ?? {})) {
    errors.push(...checkDefaults(child, `${path}.properties[${name}]`, rules));
  }
  return errors;
}

function checkDefault(schema: JsonSchema, value: unknown, path: string, rules?: SchemaRules): FieldError[] {
  const unknown = isPruned(schema, value) ? [] : [invalid(path, value, 'must not have unknown fields')];
  const embedded = checkEmbedded(schema, value, metadataType(), path);
  if (embedded.length > 0) return [...unknown, ...embedded];
  const wrong = validateAt(path, schema, value);
  // Rules are asked as for an object that is left as it was, and as for a new one.
  const broken = () => rules?.validate(schema, value, path, value) ?? [];
  const brokenAnew = () => rules?.validate(schema, value, path) ?? [];
  return [...unknown, ...firstOf(() => wrong, broken, brokenAnew)];
}

/** The errors of the first check that finds any. */
function firstOf(...checks: readonly (() => FieldError[])[]): FieldError[] {
  for (const check of checks) {
    const errors = check();
    if (errors.length > 0) return errors;
  }
  return [];
}

function isPruned(schema: JsonSchema, value: unknown): boolean {
  if (!isObject(value) && !Array.isArray(value)) return true;
  const pruned = structuredClone(value);
  // The list stands in an object, so that both can be pruned in one way.
  prune({ properties: { value: schema } }, { value: pruned });
  return equal(pruned as Json, value as Json);
}
