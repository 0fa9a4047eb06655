import type { FieldError } from '../kind.ts';
import { invalid, notSupported, required, tooLong, tooMany } from '../kinds/errors.ts';
import { equal, type Json } from '../patch/json.ts';
import { hasFormat, isKnownFormat } from './formats.ts';
import { isObject, type JsonObject, type JsonSchema, valuesOf } from './json-schema.ts';
import { compilePattern } from './pattern.ts';

const NOWHERE = '<nil>';

/**
 * What of a value breaks its schema, in the words of Kubernetes (kube-openapi's validate, as apiextensions reports it).
 * With `old`, what an update leaves as it was is not held against it (KEP-4008).
 */
export function validateValue(schema: JsonSchema, value: unknown, path = '', old?: unknown): FieldError[] {
  return new Validation().run(schema, value, path, old);
}

/**
 * As {@link validateValue}, of a value that stands at `at`. The messages tell of its fields as if it stood alone, as
 * those of Kubernetes do.
 */
export function validateAt(at: string, schema: JsonSchema, value: unknown, old?: unknown): FieldError[] {
  return validateValue(schema, value, '', old).map((error) => ({
    ...error,
    field: error.field === '' || error.field === NOWHERE ? at : `${at}${joint(error.field)}`,
  }));
}

const joint = (field: string): string => (field.startsWith('.') ? field : `.${field}`);

/** Where a value stands, and what stood there before. */
interface Place {
  readonly value: unknown;
  readonly path: string;
  readonly old: unknown;
}

class Validation {
  /** Checks that were made: of several alternatives that all fail, the one that got furthest is told of. */
  #checks = 0;

  run(schema: JsonSchema, value: unknown, path: string, old: unknown): FieldError[] {
    const errors = this.#check(schema, { value, path, old });
    return errors.length > 0 && old !== undefined && equal(value as Json, old as Json) ? [] : errors;
  }

  #check(schema: JsonSchema, place: Place): FieldError[] {
    this.#checks++;
    const { value, path } = place;
    if (value === null) return [...checkType(schema, value, path), ...checkEnum(schema, value, path)];
    const errors = [...checkType(schema, value, path), ...this.#checkJunctors(schema, place)];
    if (typeof value === 'string') errors.push(...checkString(schema, value, path));
    if (typeof value === 'number') errors.push(...checkNumber(schema, value, path));
    if (Array.isArray(value)) errors.push(...this.#checkList(schema, value, place));
    errors.push(...checkEnum(schema, value, path));
    if (isObject(value)) errors.push(...this.#checkObject(schema, value, place));
    return errors;
  }

  #checkJunctors(schema: JsonSchema, place: Place): FieldError[] {
    const path = JSON.stringify(place.path);
    const errors: FieldError[] = [];
    if (schema.anyOf && schema.anyOf.length > 0) {
      const { passed, furthest } = this.#try(schema.anyOf, place);
      if (passed === 0) errors.push(junction(`${path} must validate at least one schema (anyOf)`), ...furthest);
    }
    if (schema.oneOf && schema.oneOf.length > 0) {
      const { passed, furthest } = this.#try(schema.oneOf, place);
      if (passed !== 1) {
        const found = passed === 0 ? 'Found none valid' : `Found ${passed} valid alternatives`;
        errors.push(junction(`${path} must validate one and only one schema (oneOf). ${found}`));
        if (passed === 0) errors.push(...furthest);
      }
    }
    if (schema.allOf && schema.allOf.length > 0) {
      const failures = schema.allOf.map((each) => this.run(each, place.value, place.path, place.old));
      const failed = failures.filter((each) => each.length > 0).length;
      errors.push(...failures.flat());
      const none = failed === schema.allOf.length ? '. None validated' : '';
      if (failed > 0) errors.push(junction(`${path} must validate all the schemas (allOf)${none}`));
    }
    if (schema.not && this.#check(schema.not, { ...place, old: undefined }).length === 0) {
      errors.push(junction(`${path} must not validate the schema (not)`));
    }
    return errors;
  }

  #try(alternatives: readonly JsonSchema[], { value, path, old }: Place) {
    let passed = 0;
    let furthest: FieldError[] = [];
    let most = -1;
    for (const alternative of alternatives) {
      const before = this.#checks;
      const errors = this.run(alternative, value, path, old);
      if (errors.length === 0) passed++;
      else if (this.#checks - before > most) {
        most = this.#checks - before;
        furthest = errors;
      }
    }
    return { passed, furthest };
  }

  #checkList(schema: JsonSchema, list: readonly unknown[], { path, old }: Place): FieldError[] {
    const { items, minItems, maxItems } = schema;
    const before = correlated(schema, old);
    const errors = items ? list.flatMap((item, index) => this.run(items, item, `${path}[${index}]`, before(item))) : [];
    if (minItems !== undefined && list.length < minItems) {
      errors.push(invalid(path, list.length, `${path} in body should have at least ${minItems} items`));
    }
    if (maxItems !== undefined && list.length > maxItems) errors.push(tooMany(path, list.length, maxItems));
    return errors;
  }

  #checkObject(schema: JsonSchema, object: JsonObject, { path, old }: Place): FieldError[] {
    const { minProperties, maxProperties, properties = {} } = schema;
    const count = Object.keys(object).length;
    const errors: FieldError[] = [];
    if (minProperties !== undefined && count < minProperties) {
      errors.push(invalid(path, count, `${path} in body should have at least ${minProperties} properties`));
    }
    if (maxProperties !== undefined && count > maxProperties) errors.push(tooMany(path, count, maxProperties));
    const before = isObject(old) ? old : {};
    const below = (name: string) => (path === '' ? name : `${path}.${name}`);
    const values = valuesOf(schema);
    if (values) {
      for (const [name, value] of Object.entries(object)) {
        if (!Object.hasOwn(properties, name)) errors.push(...this.run(values, value, below(name), before[name]));
      }
    }
    for (const [name, child] of Object.entries(properties)) {
      if (object[name] !== undefined) errors.push(...this.run(child, object[name], below(name), before[name]));
    }
    for (const name of schema.required ?? []) if (object[name] === undefined) errors.push(required(below(name)));
    return errors;
  }
}

/** How an item of a list finds what it was: only items of a list that is a map can be told again. */
export function correlated(schema: JsonSchema, old: unknown): (item: unknown) => unknown {
  const keys = schema['x-kubernetes-list-map-keys'] ?? [];
  if (schema['x-kubernetes-list-type'] !== 'map' || !Array.isArray(old)) return () => undefined;
  const keyOf = (item: unknown) => JSON.stringify(keys.map((key) => (isObject(item) ? item[key] : undefined) ?? null));
  const known = new Map(old.map((item) => [keyOf(item), item]));
  return (item) => known.get(keyOf(item));
}

/** What several schemas say together belongs to no field of its own; Kubernetes prints its empty path as Go does. */
const junction = (detail: string): FieldError => invalid(NOWHERE, '', detail);

function checkType(schema: JsonSchema, value: unknown, path: string): FieldError[] {
  const types = schema['x-kubernetes-int-or-string'] ? ['integer', 'string'] : schema.type ? [schema.type] : [];
  if (types.length === 0 || (value === null && schema.nullable)) return [];
  const is = typeOf(value);
  const fits = types.some((type) => type === is || (type === 'number' && is === 'integer'));
  if (fits) return [];
  // A format is checked in place of the type it belongs to.
  const name = types.join(',');
  const detail = `${path} in body must be of type ${name}: ${JSON.stringify(is)}`;
  return [{ ...invalid(path, is, detail), reason: 'FieldValueTypeInvalid' }];
}

function typeOf(value: unknown): string {
  if (value === null) return 'null';
  if (Array.isArray(value)) return 'array';
  if (typeof value === 'number') return Number.isInteger(value) ? 'integer' : 'number';
  return typeof value;
}

function checkString({ minLength, maxLength, pattern, format, type }: JsonSchema, text: string, path: string) {
  const errors: FieldError[] = [];
  const length = minLength === undefined && maxLength === undefined ? 0 : [...text].length;
  if (maxLength !== undefined && length > maxLength) errors.push(tooLong(path, maxLength));
  if (minLength !== undefined && length < minLength) {
    errors.push(invalid(path, text, `${path} in body should be at least ${minLength} chars long`));
  }
  if (pattern !== undefined && !compilePattern(pattern).test(text)) {
    errors.push(invalid(path, text, `${path} in body should match '${pattern}'`));
  }
  if (format !== undefined && (type ?? 'string') === 'string' && !hasFormat(format, text)) {
    const detail = `${path} in body must be of type ${format}: ${JSON.stringify(text)}`;
    errors.push({ ...invalid(path, text, detail), reason: 'FieldValueTypeInvalid' });
  }
  return errors;
}

function checkNumber(schema: JsonSchema, value: number, path: string): FieldError[] {
  const { maximum, minimum, exclusiveMaximum, exclusiveMinimum, multipleOf } = schema;
  const errors: FieldError[] = [];
  const range = outOfRange(schema, value);
  if (range) errors.push(invalid(NOWHERE, '', `Checked value must be of type ${range} in ${path}`));
  if (multipleOf !== undefined && !Number.isInteger(value / multipleOf)) {
    errors.push(invalid(path, value, `${path} in body should be a multiple of ${multipleOf}`));
  }
  if (maximum !== undefined && (exclusiveMaximum ? value >= maximum : value > maximum)) {
    const than = exclusiveMaximum ? 'less than' : 'less than or equal to';
    errors.push(invalid(path, value, `${path} in body should be ${than} ${maximum}`));
  }
  if (minimum !== undefined && (exclusiveMinimum ? value <= minimum : value < minimum)) {
    const than = exclusiveMinimum ? 'greater than' : 'greater than or equal to';
    errors.push(invalid(path, value, `${path} in body should be ${than} ${minimum}`));
  }
  return errors;
}

function outOfRange({ type, format }: JsonSchema, value: number): string | undefined {
  const known = format !== undefined && isKnownFormat(type, format);
  if (type === 'integer') {
    const bits = known && format === 'int32' ? 31 : 63;
    if (value >= -(2 ** bits) && value < 2 ** bits) return undefined;
    return known ? `integer with format ${format}` : 'integer (default format)';
  }
  if (type === 'number' && known && format === 'float' && !Number.isFinite(Math.fround(value))) {
    return 'number with format float';
  }
  return undefined;
}

function checkEnum(schema: JsonSchema, value: unknown, path: string): FieldError[] {
  const allowed = schema.enum;
  if (!allowed || allowed.length === 0 || allowed.some((each) => equal(each as Json, value as Json))) return [];
  const names = allowed.map((each) => (typeof each === 'string' ? each : JSON.stringify(each)));
  return [notSupported(path, value ?? '', names)];
}
