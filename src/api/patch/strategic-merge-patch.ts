import type { Field, Schema, Type } from '../schema/schema.ts';
import {
  applyRetainKeys,
  badArgument,
  badDirective,
  deleteFromPrimitiveList,
  directive,
  elementOrders,
  hasDirective,
  malformed,
  plainValue,
  retainKeys,
  setElementOrder,
} from './directives.ts';
import { type Identity, orderElements } from './element-order.ts';
import { goText } from './go-text.ts';
import { clone, get, isObject, type Json, type JsonObject, PatchError, set } from './json.ts';

/**
 * Applies a strategic merge patch to a copy of `current`: lists that the schema gives a merge key are merged element
 * by element, and `$patch`, `$retainKeys`, `$setElementOrder/FIELD` and `$deleteFromPrimitiveList/FIELD` are obeyed.
 *
 * @param definition name of the schema that both are of: `io.k8s.api.apps.v1.Deployment`
 * @throws PatchError `PATCH_MALFORMED`, or `PATCH_UNSUPPORTED` for a definition that the schema does not have
 */
export function applyStrategicMergePatch(
  current: unknown,
  patch: unknown,
  schema: Schema,
  definition: string,
): JsonObject {
  const root = schema.definition(definition);
  if (!root) {
    throw new PatchError('PATCH_UNSUPPORTED', 'strategic merge patch format is not supported');
  }
  if (!isObject(current) || !isObject(patch)) throw new PatchError('PATCH_MALFORMED', 'invalid JSON document');
  return mergeObject(clone(current), patch, { kind: 'struct', definition: root });
}

/** `current` is ours to change; `patch` is not. */
function mergeObject(current: JsonObject, patch: JsonObject, type: Type | undefined): JsonObject {
  const replacing = patch[directive];
  if (replacing === 'replace') return plainValue(withoutDirective(patch)) as JsonObject;
  if (replacing === 'delete') return {};
  if (replacing !== undefined) throw badDirective(replacing, patch);
  applyRetainKeys(current, patch);
  const orders = elementOrders(patch);
  const live = new Map([...orders.keys()].map((key) => [key, get(current, key)]));
  for (const [key, order] of orders) assertOrder(patch[key], order, fieldOf(type, key));
  for (const key of Object.keys(patch)) {
    if (key === directive || key === retainKeys || key.startsWith(setElementOrder)) continue;
    if (key.startsWith(deleteFromPrimitiveList)) {
      deletePrimitives(current, key.slice(deleteFromPrimitiveList.length), patch[key]!);
    } else {
      mergeField(current, key, patch[key]!, fieldOf(type, key), orders.get(key));
    }
  }
  for (const [key, order] of orders) orderField(current, key, order, live.get(key), fieldOf(type, key));
  return current;
}

function mergeField(
  current: JsonObject,
  key: string,
  patch: Json,
  field: FieldLike | undefined,
  order: Json[] | undefined,
) {
  const before = get(current, key);
  if (patch === null) delete current[key];
  else if (!isAlike(before, patch) && hasDirective(patch)) delete current[key];
  else if (before === undefined) set(current, key, plainValue(patch));
  else if (isObject(before) && isObject(patch) && !strategies(field).includes('replace')) {
    set(current, key, mergeObject(before, patch, field?.type));
  } else if (Array.isArray(before) && Array.isArray(patch) && strategies(field).includes('merge')) {
    set(current, key, mergeList(before, patch, field!, order));
  } else {
    set(current, key, plainValue(isObject(patch) ? withoutDirective(patch) : patch));
  }
}

const isAlike = (before: Json | undefined, patch: Json): boolean => isObject(before) === isObject(patch);

/** Merges, and puts in the order of the patch unless another order is asked for (and applied by the caller). */
function mergeList(before: Json[], patch: Json[], field: FieldLike, order: Json[] | undefined): Json[] {
  if (before.length === 0 && patch.length === 0) return before;
  const key = field.facts.patchMergeKey;
  if (!patch.concat(before).some(isObject)) {
    const merged = [...new Set(before.concat(patch))];
    return order ? merged : orderElements(merged, patch, before, (element) => element);
  }
  if (key === undefined) {
    throw new PatchError('PATCH_MALFORMED', `cannot merge lists without merge key for ${field.name}`);
  }
  const merged = mergeElements([...before], patch, key, field);
  return order ? merged : orderElements(merged, patch, before, identityBy(key));
}

function mergeElements(list: Json[], patch: Json[], key: string, field: FieldLike): Json[] {
  const elements = patch.map((element) => elementWithKey(element, key));
  const replaced = elements.some((element) => element[directive] === 'replace');
  for (const element of elements) {
    if (element[directive] === 'delete') list = list.filter((other) => identityBy(key)(other) !== element[key]);
  }
  if (replaced) return elements.filter((element) => element[directive] === undefined).map(plainValue);
  const items = field.type.kind === 'list' ? field.type.items : undefined;
  for (const element of elements) {
    if (element[directive] !== undefined) continue;
    const at = list.findIndex((other) => identityBy(key)(other) === element[key]);
    const before = list[at];
    if (isObject(before)) list[at] = mergeObject(before, element, items);
    else list.push(plainValue(element));
  }
  return list;
}

/** Checks an element of a patch's list: it is an object, has its merge key, and a directive that lists know. */
function elementWithKey(element: Json, key: string): JsonObject {
  if (!isObject(element)) throw new PatchError('PATCH_MALFORMED', 'expected a map in a list with a merge key');
  const kind = element[directive];
  if (kind === 'merge') {
    throw new PatchError('PATCH_MALFORMED', 'merging lists cannot yet be specified in the patch');
  }
  if (kind !== undefined && kind !== 'delete' && kind !== 'replace') throw badDirective(kind, element);
  if (kind !== 'replace' && element[key] === undefined) {
    throw new PatchError('PATCH_MALFORMED', `map: ${goText(element)} does not contain declared merge key: ${key}`);
  }
  return element;
}

/**
 * What a patch gives must come in the order that it asks for: each of its elements is named there, in this order.
 *
 * @throws PatchError in Kubernetes' words
 */
function assertOrder(patch: Json | undefined, order: Json[], field: FieldLike | undefined): void {
  if (patch === undefined) return;
  if (!Array.isArray(patch)) throw badArgument(patch);
  if (order.length === 0 || patch.length === 0) return;
  const key = field?.facts.patchMergeKey;
  const identity = key === undefined ? (element: Json) => element : identityBy(key);
  const given = patch.filter((element) => !hasDirective(element));
  let next = 0;
  for (const element of order) {
    if (next < given.length && identity(given[next]!) === identity(element)) next++;
  }
  if (next === given.length) return;
  const wrong = `The order in patch list:\n${goText(patch)}\n doesn't match $setElementOrder list:\n${goText(order)}\n`;
  throw new PatchError('PATCH_MALFORMED', wrong);
}

function deletePrimitives(current: JsonObject, key: string, values: Json): void {
  if (!Array.isArray(values)) {
    throw malformed('primitive list');
  }
  const before = get(current, key);
  if (!Array.isArray(before)) return;
  const gone = new Set(values);
  set(
    current,
    key,
    before.filter((element) => !gone.has(element)),
  );
}

function orderField(
  current: JsonObject,
  key: string,
  order: Json[],
  live: Json | undefined,
  field: FieldLike | undefined,
): void {
  const list = get(current, key);
  if (!Array.isArray(list)) return;
  const mergeKey = field?.facts.patchMergeKey;
  const identity = mergeKey === undefined ? (element: Json) => element : identityBy(mergeKey);
  set(current, key, orderElements(list, order, Array.isArray(live) ? live : [], identity));
}

type FieldLike = Pick<Field, 'name' | 'type' | 'facts'>;

function fieldOf(type: Type | undefined, key: string): FieldLike | undefined {
  if (type?.kind === 'struct') return type.definition.fields.get(key);
  if (type?.kind === 'map') return { name: key, type: type.values, facts: {} };
  return undefined;
}

function strategies(field: FieldLike | undefined): string[] {
  return field?.facts.patchStrategy?.split(',') ?? [];
}

const identityBy =
  (key: string): Identity =>
  (element) =>
    isObject(element) ? element[key] : undefined;

function withoutDirective(patch: JsonObject): JsonObject {
  const { [directive]: _, ...rest } = patch;
  return rest;
}
