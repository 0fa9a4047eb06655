import type { FieldError } from '../kind.ts';
import { faults, type Rule } from './names.ts';

// The constructors of field errors, in the words of k8s.io/apimachinery/pkg/util/validation/field.

/** The field must be there and is not. */
export function required(field: string, detail = ''): FieldError {
  return {
    reason: 'FieldValueRequired',
    field,
    message: detail === '' ? 'Required value' : `Required value: ${detail}`,
  };
}

/** The value breaks a rule that `detail` states. */
export function invalid(field: string, value: unknown, detail: string): FieldError {
  return { reason: 'FieldValueInvalid', field, message: `Invalid value: ${show(value)}: ${detail}` };
}

/** The value is none of a fixed set. */
export function notSupported(field: string, value: unknown, supported: readonly string[]): FieldError {
  const list = supported.map((one) => JSON.stringify(one)).join(', ');
  return {
    reason: 'FieldValueNotSupported',
    field,
    message: `Unsupported value: ${show(value)}: supported values: ${list}`,
  };
}

/** The value may be there once, and is there again. */
export function duplicate(field: string, value: unknown): FieldError {
  return { reason: 'FieldValueDuplicate', field, message: `Duplicate value: ${show(value)}` };
}

/** The value may be right elsewhere, but not here or not now. */
export function forbidden(field: string, detail: string): FieldError {
  return { reason: 'FieldValueForbidden', field, message: `Forbidden: ${detail}` };
}

/** The value names something that is not there. */
export function notFound(field: string, value: unknown, detail = ''): FieldError {
  const message = `Not found: ${show(value)}`;
  return { reason: 'FieldValueNotFound', field, message: detail === '' ? message : `${message}: ${detail}` };
}

/** The value has more bytes than are allowed. */
export function tooLong(field: string, maxBytes: number): FieldError {
  return { reason: 'FieldValueTooLong', field, message: `Too long: may not be more than ${maxBytes} bytes` };
}

/** The list has more entries than are allowed. */
export function tooMany(field: string, actual: number, max: number): FieldError {
  return { reason: 'FieldValueTooMany', field, message: `Too many: ${actual}: must have at most ${max} items` };
}

/** The errors of several checks, in their order. What is not there need not be checked: `spec.x && validateX(spec.x)`. */
export function all(...found: readonly (readonly FieldError[] | undefined | false | '' | 0)[]): FieldError[] {
  const errors: FieldError[] = [];
  for (const some of found) if (some) add(errors, some);
  return errors;
}

/** The errors of a list's items, each checked with its own path. */
export function each<T>(
  items: readonly T[] | undefined,
  field: string,
  check: (item: T, field: string, index: number) => readonly FieldError[],
): FieldError[] {
  const errors: FieldError[] = [];
  if (!items) return errors;
  for (let i = 0; i < items.length; i++) add(errors, check(items[i] as T, `${field}[${i}]`, i));
  return errors;
}

/** Nearly all checks of nearly all objects find nothing: that must cost nothing. */
function add(errors: FieldError[], more: readonly FieldError[]): void {
  if (more.length > 0) errors.push(...more);
}

/** The fields of an object that say something, of which there should be one. */
export function givenFields(object: object): string[] {
  return Object.keys(object).filter((field) => object[field as keyof typeof object]);
}

/** An error if `value` is not one of `supported`; `undefined` counts as the empty string. */
export function oneOf(field: string, value: string | undefined, supported: readonly string[]): FieldError[] {
  return supported.includes(value ?? '') ? [] : [notSupported(field, value ?? '', supported)];
}

/** An error if a name is missing, or breaks the rule. */
export function named(field: string, name: string | undefined, rule: Rule): FieldError[] {
  return name ? ruled(field, name, rule) : [required(field)];
}

/** An error for all that the rule finds wrong with `value`. */
export function ruled(field: string, value: string, rule: Rule): FieldError[] {
  const found = faults(rule, value);
  return found.length === 0 ? [] : found.map((wrong) => invalid(field, value, wrong));
}

/** As {@link ruled}, of a value that need not be there. */
export function ruledIfGiven(field: string, value: string | undefined, rule: Rule): FieldError[] {
  return value ? ruled(field, value, rule) : [];
}

/** An error if `value` differs from what it was. */
export function unchanged(field: string, value: unknown, old: unknown): FieldError[] {
  return sameValue(value, old) ? [] : [invalid(field, value, 'field is immutable')];
}

/** Deep equality of JSON values, where an absent field, `null`, an empty list and an empty object are the same. */
export function sameValue(a: unknown, b: unknown): boolean {
  if (a === b) return true;
  if (isNothing(a) || isNothing(b)) return isNothing(a) && isNothing(b);
  if (typeof a !== 'object' || typeof b !== 'object') return false;
  if (Array.isArray(a) || Array.isArray(b)) {
    return Array.isArray(a) && Array.isArray(b) && a.length === b.length && a.every((x, i) => sameValue(x, b[i]));
  }
  const left = a as Record<string, unknown>;
  const right = b as Record<string, unknown>;
  return [...new Set([...Object.keys(left), ...Object.keys(right)])].every((key) => sameValue(left[key], right[key]));
}

function isNothing(value: unknown): boolean {
  if (value === undefined || value === null) return true;
  return typeof value === 'object' && Object.keys(value).length === 0;
}

function show(value: unknown): string {
  return value === undefined ? 'null' : JSON.stringify(value);
}
