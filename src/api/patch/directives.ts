import { goText, goTypeOf } from './go-text.ts';
import { isObject, type Json, type JsonObject, PatchError, set } from './json.ts';

/** The keys of a strategic merge patch that say how to merge, and are no data. */
export const directive = '$patch';
export const retainKeys = '$retainKeys';
export const deleteFromPrimitiveList = '$deleteFromPrimitiveList/';
export const setElementOrder = '$setElementOrder/';

const isDirective = (key: string): boolean =>
  key === directive || key === retainKeys || key.startsWith(deleteFromPrimitiveList) || key.startsWith(setElementOrder);

/** A copy of a patch's value for where there was nothing before: without nulls, and without what bears a directive. */
export function plainValue(value: Json): Json {
  if (Array.isArray(value)) {
    return value.filter((item) => !hasDirective(item)).map(plainValue);
  }
  if (!isObject(value)) return value;
  const copy: JsonObject = {};
  for (const key of Object.keys(value)) {
    if (isDirective(key) || value[key] === null || hasDirective(value[key])) continue;
    set(copy, key, plainValue(value[key]!));
  }
  return copy;
}

/** Whether an element or a map says itself how it is merged: there is nothing to merge it with, so it says nothing. */
export const hasDirective = (value: Json | undefined): boolean => isObject(value) && value[directive] !== undefined;

/** Splits the data of a patch from the order that it asks for, by field. */
export function elementOrders(patch: JsonObject): Map<string, Json[]> {
  const orders = new Map<string, Json[]>();
  for (const key of Object.keys(patch)) {
    if (!key.startsWith(setElementOrder)) continue;
    const order = patch[key];
    if (!Array.isArray(order)) throw badArgument(order);
    orders.set(key.slice(setElementOrder.length), order);
  }
  return orders;
}

/** Removes what the patch does not want to be retained. */
export function applyRetainKeys(current: JsonObject, patch: JsonObject): void {
  const retained = patch[retainKeys];
  if (retained === undefined) return;
  if (!Array.isArray(retained)) throw malformed('retainKeys');
  const keep = new Set(retained);
  for (const key of Object.keys(patch)) {
    if (!isDirective(key) && patch[key] !== null && !keep.has(key)) {
      throw malformed('retainKeys');
    }
  }
  for (const key of Object.keys(current)) if (!keep.has(key)) delete current[key];
}

export function badDirective(value: Json, patch: JsonObject): PatchError {
  return new PatchError('PATCH_MALFORMED', `unknown patch type: ${goText(value)} in map: ${goText(patch)}`);
}

/** In Kubernetes' words, which tell only which directive it is. */
export function malformed(name: string): PatchError {
  return new PatchError('PATCH_MALFORMED', `invalid patch format of ${name}`);
}

/** Where a list belongs, in Kubernetes' words. */
export function badArgument(value: Json | undefined): PatchError {
  return new PatchError('PATCH_MALFORMED', `expected a []interface {}, but received a ${goTypeOf(value)}`);
}
