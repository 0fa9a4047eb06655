import { elementsOf, emptySet, type FieldSet, isMember } from './field-set.ts';
import { isBlank, isObject, itemsByElement, type Place, type Shape, shapeOf } from './place.ts';

/** The live value with all that the configuration says in it. Shares parts with both. */
export function merge(place: Place, live: unknown, config: unknown): unknown {
  const shape = shapeOf(place, config);
  if (shape.kind === 'fields' && isObject(live) && isObject(config)) {
    const merged: Record<string, unknown> = { ...live };
    for (const name in config) merged[name] = merge(shape.child(name).place, live[name], config[name]);
    return merged;
  }
  if (shape.kind === 'items' && Array.isArray(live) && Array.isArray(config)) return mergeItems(shape, live, config);
  // A null names nothing of what is owned part by part, as an empty one does.
  if (shape.kind !== 'leaf' && config === null && live !== undefined) return live;
  return config;
}

/**
 * Items keep the order of the configuration; what only the live list has stays where it was between those that both
 * have. An item that the live list has more than once is not merged: that of the configuration takes its place.
 */
function mergeItems(
  shape: Extract<Shape, { kind: 'items' }>,
  live: readonly unknown[],
  config: readonly unknown[],
): unknown[] {
  const old = itemsByElement(shape, live);
  const given = config.map((item) => shape.element(item));
  const wanted = new Set(given);
  const shared = given.filter((element) => old.has(element));
  const done = new Set<string>();
  const merged: unknown[] = [];
  let at = 0;
  /** Passes over the live list up to the next item that both have, of which those out of their turn are left out. */
  const takeLiveOnly = () => {
    for (; at < live.length; at++) {
      const element = shape.element(live[at]);
      if (!wanted.has(element)) merged.push(live[at]);
      else if (shared.length === 0 || shared[0] === element) break;
    }
    if (at < live.length && done.has(shape.element(live[at]))) at++;
  };
  for (const [index, item] of config.entries()) {
    takeLiveOnly();
    const element = given[index] ?? '';
    const same = old.get(element) ?? [];
    done.add(element);
    merged.push(merge(shape.items, same.length === 1 ? same[0] : undefined, item));
    if (at < live.length && shape.element(live[at]) === element) at++;
    if (shared[0] === element) shared.shift();
  }
  for (; at < live.length; at++) if (!wanted.has(shape.element(live[at]))) merged.push(live[at]);
  return merged;
}

/**
 * Removes what a manager owned before (`last`) and nobody owns now, with all that is in it (a probe goes with what was
 * defaulted there). An item of a list or a key of a map stays only where somebody owns the item itself; a field of a
 * struct also where somebody owns something in it.
 */
export function prune(place: Place, value: unknown, last: FieldSet, owned: FieldSet): unknown {
  const shape = shapeOf(place, value);
  if (shape.kind === 'fields' && isObject(value)) return pruneFields(shape, value, last, owned);
  if (shape.kind === 'items' && Array.isArray(value)) return pruneItems(shape, value, last, owned);
  return value;
}

function pruneFields(
  shape: Extract<Shape, { kind: 'fields' }>,
  value: Record<string, unknown>,
  last: FieldSet,
  owned: FieldSet,
): unknown {
  const left: Record<string, unknown> = { ...value };
  for (const element of elementsOf(last)) {
    const name = element.slice(2);
    if (left[name] === undefined) continue;
    const [before, now] = [last[element] ?? emptySet, owned[element]];
    const { place, isField } = shape.child(name);
    const isKept = now !== undefined && (isField || isMember(now));
    if (!isKept && (isField || isMember(before))) delete left[name];
    else left[name] = prune(place, left[name], before, now ?? emptySet);
  }
  return left;
}

function pruneItems(
  shape: Extract<Shape, { kind: 'items' }>,
  list: readonly unknown[],
  last: FieldSet,
  owned: FieldSet,
): unknown[] {
  return list.flatMap((item) => {
    const element = shape.element(item);
    const [before, now] = [last[element], owned[element]];
    if (!before) return [item];
    if (isMember(before) && !(now && isMember(now))) return [];
    return [prune(shape.items, item, before, now ?? emptySet)];
  });
}

/** The value without the empty lists and maps that Go's structs do not tell from none. Shares what is left as it is. */
export function withoutBlanks(place: Place, value: unknown): unknown {
  const shape = shapeOf(place, value);
  if (shape.kind === 'items' && Array.isArray(value)) return value.map((item) => withoutBlanks(shape.items, item));
  if (shape.kind !== 'fields' || !isObject(value)) return value;
  const left: Record<string, unknown> = {};
  for (const name in value) {
    const child = shape.child(name);
    if (child.isOmittedEmpty && isBlank(value[name])) continue;
    left[name] = withoutBlanks(child.place, value[name]);
  }
  return left;
}
