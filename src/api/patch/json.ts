import { KnitError } from '../../base/errors.ts';

export type Json = null | boolean | number | string | Json[] | JsonObject;
export interface JsonObject {
  [key: string]: Json;
}

/**
 * `PATCH_MALFORMED`: the patch itself is wrong (400). `PATCH_NOT_APPLICABLE`: it does not fit this document (422).
 * `PATCH_UNSUPPORTED`: this type cannot be patched so (415). The message is Kubernetes' own.
 */
export class PatchError extends KnitError {
  declare readonly code: 'PATCH_MALFORMED' | 'PATCH_NOT_APPLICABLE' | 'PATCH_UNSUPPORTED';

  constructor(code: PatchError['code'], message: string) {
    super(code, message);
    this.name = 'PatchError';
  }
}

export function isObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** A deep copy. Patches return values that share nothing with what they were given. */
export function clone<T extends Json>(value: T): T {
  if (Array.isArray(value)) return value.map(clone) as T;
  if (!isObject(value)) return value;
  const copy: JsonObject = {};
  for (const key in value) set(copy, key, clone(value[key]!));
  return copy as T;
}

/** Assignment that takes `__proto__` for the ordinary key that it is in JSON. */
export function set(object: JsonObject, key: string, value: Json): void {
  if (key !== '__proto__') object[key] = value;
  else Object.defineProperty(object, key, { value, writable: true, enumerable: true, configurable: true });
}

/** The value of an own key: `constructor` and `toString` are not there. */
export function get(object: JsonObject, key: string): Json | undefined {
  return Object.hasOwn(object, key) ? object[key] : undefined;
}

export function equal(a: Json | undefined, b: Json | undefined): boolean {
  if (Array.isArray(a)) return Array.isArray(b) && a.length === b.length && a.every((item, i) => equal(item, b[i]));
  if (!isObject(a)) return a === b;
  if (!isObject(b)) return false;
  const keys = Object.keys(a);
  return keys.length === Object.keys(b).length && keys.every((key) => Object.hasOwn(b, key) && equal(a[key], b[key]));
}
