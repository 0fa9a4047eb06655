import type { FieldError } from '../kind.ts';
import { invalid, notSupported, required, tooLong, tooMany } from '../kinds/errors.ts';
import { equal, type Json } from '../patch/json.ts';
import { hasFormat, isKnownFormat } from './formats.ts';
import { childOf, isObject, type JsonObject, type JsonSchema, valuesOf } from './json-schema.ts';
import { compilePattern } from './pattern.ts';
import { correlated, isUnchanged } from './unchanged.ts';

const NOWHERE = '<nil>';

/**
 * What of a value breaks its schema, in the words of Kubernetes (kube-openapi's validate, as apiextensions reports it).
 * With `old`, what an update leaves as it was is not held against it (KEP-4008).
 */
export function validateValue(schema: JsonSchema, value: unknown, path = '', old?: unknown): FieldError[] {
  return new Validation().run(schema, { value, path, old, told: schema });
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
  /** What is told of it outside of alternatives. */
  readonly told: JsonSchema | undefined;
}

class Validation {
  /** Checks that were made: of several alternatives that all fail, the one that got furthest is told of. */
  #checks = 0;

  run(schema: JsonSchema, place: Place): FieldError[] {
    const { value, old, told } = place;
    const errors = this.#check(schema, place);
    return errors.length > 0 && old !== undefined && isUnchanged(told, value, old) ? [] : errors;
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
      const failures = schema.allOf.map((each) => this.run(each, place));
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

  #try(alternatives: readonly JsonSchema[], place: Place) {
    let passed = 0;
    let furthest: FieldError[] = [];
    let most = -1;
    for (const alternative of alternatives) {
      const before = this.#checks;
      const errors = this.run(alternative, place);
      if (errors.length === 0) passed++;
      else if (this.#checks - before > most) {
        most = this.#checks - before;
        furthest = errors;
      }
    }
    return { passed, furthest };
  }

  #checkList(schema: JsonSchema, list: readonly unknown[], { path, old, told }: Place): FieldError[] {
    const { items, minItems, maxItems } = schema;
    const before = correlated(told, old);
    const placeOf = (value: unknown, index: number): Place => {
      return { value, path: `${path}[${index}]`, old: before(value), told: told?.items };
    };
    const errors = items ? list.flatMap((item, index) => this.run(items, placeOf(item, index))) : [];
    if (minItems !== undefined && list.length < minItems) {
      errors.push(invalid(path, list.length, `${path} in body should have at least ${minItems} items`));
    }
    if (maxItems !== undefined && list.length > maxItems) errors.push(tooMany(path, list.length, maxItems));
    return errors;
  }

  #checkObject(schema: JsonSchema, object: JsonObject, { path, old, told }: Place): FieldError[] {
    const { minProperties, maxProperties, properties = {} } = schema;
    const count = Object.keys(object).length;
    const errors: FieldError[] = [];
    if (minProperties !== undefined && count < minProperties) {
      errors.push(invalid(path, count, `${path} in body should have at least ${minProperties} properties`));
    }
    if (maxProperties !== undefined && count > maxProperties) errors.push(tooMany(path, count, maxProperties));
    const before = isObject(old) ? old : {};
    const below = (name: string) => (path === '' ? name : `${path}.${name}`);
    const placeOf = (name: string, at: string): Place => {
      return { value: object[name], path: at, old: before[name], told: childOf(told, name) };
    };
    const values = valuesOf(schema);
    if (values) {
      for (const name of Object.keys(object)) {
        if (!Object.hasOwn(properties, name)) errors.push(...this.run(values, placeOf(name, `${path}.${name}`)));
      }
    }
    for (const [name, child] of Object.entries(properties)) {
      if (object[name] !== undefined) errors.push(...this.run(child, placeOf(name, below(name))));
    }
    for (const name of schema.required ?? []) if (object[name] === undefined) errors.push(required(below(name)));
    return errors;
  }
}

/** What several schemas say together belongs to no field of its own; Kubernetes prints its empty path as Go does. */
const junction = (detail: string): FieldError => invalid(NOWHERE, '', detail);

function checkType(schema: JsonSchema, value: unknown, path: string): FieldError[] {
  const types = schema['x-kubernetes-int-or-string'] ? ['integer', 'string'] : schema.type ? [schema.type] : [];
  if (types.length === 0 || (value === null && schema.nullable)) return [];
  const is = typeOf(value);
  const fits = types.some((type) => type === is || (type === 'number' && is === 'integer'));
  const format = knownFormat(schema);
  if (fits || format === undefined || is === 'null') return fits ? [] : [wrongType(path, types.join(','), is)];
  const isList = is === 'string' || is === 'array';
  // Of a value that is neither text nor list, the format of the Go type that holds it is looked at.
  if (!isList) return goFormats[is] === format ? [] : [wrongType(path, format, goFormats[is] ?? '')];
  // A format is checked in place of the type it belongs to.
  return types[0] === 'integer' || types[0] === 'number' ? [wrongType(path, types.join(','), is)] : [];
}

const goFormats: Readonly<Record<string, string>> = { integer: 'int64', number: 'float64' };

const knownFormat = ({ type, format }: JsonSchema): string | undefined =>
  format !== undefined && isKnownFormat(type, format) ? format : undefined;

function wrongType(path: string, wanted: string, is: string): FieldError {
  const detail = `${path} in body must be of type ${wanted}: ${JSON.stringify(is)}`;
  return { ...invalid(path, is, detail), reason: 'FieldValueTypeInvalid' };
}

function typeOf(value: unknown): string {
  if (value === null) return 'null';
  if (Array.isArray(value)) return 'array';
  if (typeof value === 'number') return isInteger(value, 63) ? 'integer' : 'number';
  return typeof value;
}

const isInteger = (value: number, bits: number): boolean =>
  Number.isInteger(value) && value >= -(2 ** bits) && value < 2 ** bits;

function checkString(schema: JsonSchema, text: string, path: string): FieldError[] {
  const { format, type } = schema;
  const errors = checkText(schema, text, path).slice(0, 1);
  if (format !== undefined && (type ?? 'string') === 'string' && !hasFormat(format, text)) {
    errors.push(wrongType(path, format, text));
  }
  return errors;
}

/** Of which the first only is told. */
function checkText({ minLength, maxLength, pattern }: JsonSchema, text: string, path: string): FieldError[] {
  const errors: FieldError[] = [];
  const length = minLength === undefined && maxLength === undefined ? 0 : [...text].length;
  if (maxLength !== undefined && length > maxLength) errors.push(tooLong(path, maxLength));
  if (minLength !== undefined && length < minLength) {
    errors.push(invalid(path, text, `${path} in body should be at least ${minLength} chars long`));
  }
  if (pattern && !compilePattern(pattern).test(text)) {
    errors.push(invalid(path, text, `${path} in body should match '${pattern}'`));
  }
  return errors;
}

function checkNumber(schema: JsonSchema, value: number, path: string): FieldError[] {
  const { maximum, minimum, exclusiveMaximum, exclusiveMinimum, multipleOf } = schema;
  const should = (detail: string) => `${path} in body should be ${detail}`;
  const errors = checkRange(schema, value, 'Checked', path);
  /** Integers are held against integers, as in Go. */
  const limit = (bound: number, name: string): number => {
    const wrong = checkRange(schema, bound, name, path);
    errors.push(...wrong);
    return wrong.length === 0 && isInteger(value, 63) ? Math.trunc(bound) : bound;
  };
  if (multipleOf !== undefined) {
    const factor = limit(multipleOf, 'MultipleOf');
    const detail = `factor MultipleOf declared for ${path} must be positive: ${factor}`;
    if (factor <= 0) errors.push(invalid(path, factor, detail));
    else if (!isMultiple(value, factor)) errors.push(invalid(path, value, should(`a multiple of ${factor}`)));
  }
  if (minimum !== undefined) {
    const least = limit(minimum, 'Minimum boundary');
    const than = exclusiveMinimum ? 'greater than' : 'greater than or equal to';
    if (value < least || (exclusiveMinimum && value === least)) {
      errors.push(invalid(path, value, should(`${than} ${least}`)));
    }
  }
  if (maximum !== undefined) {
    const most = limit(maximum, 'Maximum boundary');
    const than = exclusiveMaximum ? 'less than' : 'less than or equal to';
    if (value > most || (exclusiveMaximum && value === most))
      errors.push(invalid(path, value, should(`${than} ${most}`)));
  }
  return errors;
}

/** But for what binary fractions lose. */
function isMultiple(value: number, factor: number): boolean {
  const times = factor < 1 ? (1 / factor) * value : value / factor;
  const isWhole = Math.abs(times - Math.round(times)) <= 1e-9 * Math.abs(times);
  return isWhole && Math.abs(times) <= Number.MAX_SAFE_INTEGER;
}

/** Whether the type and format of a schema can hold a number; `what` it is called. */
function checkRange(schema: JsonSchema, value: number, what: string, path: string): FieldError[] {
  const format = knownFormat(schema);
  const { type } = schema;
  const isHeld =
    type === 'integer'
      ? isInteger(value, format === 'int32' ? 31 : 63)
      : format !== 'float' || Number.isFinite(Math.fround(value));
  if (isHeld) return [];
  const kind = format ? `${type} with format ${format}` : `${type} (default format)`;
  return [invalid(NOWHERE, '', `${what} value must be of type ${kind} in ${path}`)];
}

function checkEnum(schema: JsonSchema, value: unknown, path: string): FieldError[] {
  const allowed = schema.enum;
  if (!allowed || allowed.length === 0 || allowed.some((each) => equal(each as Json, value as Json))) return [];
  const names = allowed.map((each) => (typeof each === 'string' ? each : JSON.stringify(each)));
  return [notSupported(path, value ?? '', names)];
}
