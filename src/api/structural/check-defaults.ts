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
  return checkBelow(schema, { path, rules, isRoot: true });
}

interface Place {
  readonly path: string;
  readonly rules: SchemaRules | undefined;
  readonly isRoot: boolean;
}

function checkBelow(schema: JsonSchema, place: Place): FieldError[] {
  const { path, rules } = place;
  const errors = (schema.default ?? undefined) === undefined ? [] : checkDefault(schema, schema.default, place);
  const below = (name: string): Place => ({ path: `${path}.${name}`, rules, isRoot: false });
  if (schema.items) errors.push(...checkBelow(schema.items, below('items')));
  for (const [name, child] of Object.entries(schema.properties ?? {})) {
    errors.push(...checkBelow(child, below(`properties[${name}]`)));
  }
  return errors;
}

function checkDefault(schema: JsonSchema, value: unknown, place: Place): FieldError[] {
  const { rules } = place;
  const path = `${place.path}.default`;
  const object = place.isRoot ? { ...schema, 'x-kubernetes-embedded-resource': true } : schema;
  const unknown = isPruned(object, value) ? [] : [invalid(path, inOrder(value), 'must not have unknown fields')];
  const embedded = checkEmbedded(object, value, metadataType(), path);
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

/** With the fields of objects in the order in which Go prints them. */
function inOrder(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(inOrder);
  if (!isObject(value)) return value;
  const names = Object.keys(value).sort();
  return Object.fromEntries(names.map((name) => [name, inOrder(value[name])]));
}

function isPruned(schema: JsonSchema, value: unknown): boolean {
  if (!isObject(value) && !Array.isArray(value)) return true;
  const pruned = structuredClone(value);
  // The list stands in an object, so that both can be pruned in one way.
  prune({ properties: { value: schema } }, { value: pruned });
  return equal(pruned as Json, value as Json);
}
