import { equal, type Json } from '../patch/json.ts';
import { wholeSetOf } from './extract.ts';
import { elementsOf, emptySet, type FieldSet, nodeOf } from './field-set.ts';
import { type Child, isBlank, isObject, itemsByElement, type Place, type Shape, shapeOf } from './place.ts';

/** What a write did to an object. */
export interface Comparison {
  /** Fields that are new or have another value. */
  readonly changed: FieldSet;
  readonly removed: FieldSet;
}

interface Nodes {
  changed?: FieldSet;
  removed?: FieldSet;
}

type Draft = Record<string, FieldSet>;

const same: Nodes = {};

/** `isApplied`: `after` is not yet what Go's structs make of it, an empty list in it is one. */
export function compare(place: Place, before: unknown, after: unknown, isApplied = false): Comparison {
  const { changed, removed } = compareValues(place, before, after, isApplied);
  return { changed: changed ?? emptySet, removed: removed ?? emptySet };
}

function compareValues(place: Place, before: unknown, after: unknown, isApplied: boolean): Nodes {
  if (before === after) return same;
  if (before === undefined) return { changed: wholeSetOf(place, after) };
  if (after === undefined) return { removed: wholeSetOf(place, before) };
  const shape = shapeOf(place, after);
  if (shape.kind === 'fields' && isObject(before) && isObject(after))
    return compareFields(shape, before, after, isApplied);
  if (shape.kind === 'items' && isList(before) && isList(after) && (before?.length || after?.length)) {
    return compareItems(shape, before ?? [], after ?? [], isApplied);
  }
  return equal(before as Json, after as Json) ? same : compareUnlike(place, before, after);
}

/** Go has null for a list that nobody made. */
const isList = (value: unknown): value is readonly unknown[] | null => value === null || Array.isArray(value);

/** A value that has become another: where one of the two is a map or a struct, what is in it went or came. */
function compareUnlike(place: Place, before: unknown, after: unknown): Nodes {
  const isInner = (value: unknown) => isObject(value) && shapeOf(place, value).kind === 'fields';
  const gone = isInner(before) ? wholeSetOf(place, before) : emptySet;
  const removed = nodeOf(false, Object.fromEntries(elementsOf(gone).map((each) => [each, gone[each] ?? emptySet])));
  return { changed: isInner(after) ? wholeSetOf(place, after) : emptySet, removed };
}

function compareFields(
  shape: Extract<Shape, { kind: 'fields' }>,
  before: Record<string, unknown>,
  after: Record<string, unknown>,
  isApplied: boolean,
): Nodes {
  const result = new Result();
  const visit = (name: string) => {
    const { place, element, ...child } = shape.child(name);
    const [old, made] = [heldBy(child, place, before[name], false), heldBy(child, place, after[name], isApplied)];
    result.add(element, compareValues(place, old, made, isApplied));
  };
  for (const name in after) if (before[name] !== after[name]) visit(name);
  for (const name in before) if (before[name] !== undefined && after[name] === undefined) visit(name);
  return result.nodes();
}

/** What is always there in Go is compared with an empty one, where it is missing in JSON. */
function heldBy(child: Omit<Child, 'place' | 'element'>, place: Place, value: unknown, isApplied: boolean): unknown {
  if (child.isAlwaysThere) return value ?? (place.type.kind === 'list' ? null : {});
  return child.isOmittedEmpty && !isApplied && isBlank(value) ? undefined : value;
}

function compareItems(
  shape: Extract<Shape, { kind: 'items' }>,
  before: readonly unknown[],
  after: readonly unknown[],
  isApplied: boolean,
): Nodes {
  const old = itemsByElement(shape, before);
  const result = new Result();
  for (const [element, items] of itemsByElement(shape, after)) {
    for (const nodes of compareItem(shape.items, old.get(element) ?? [], items, isApplied)) result.add(element, nodes);
    old.delete(element);
  }
  for (const [element, items] of old) {
    for (const nodes of compareItem(shape.items, items, [], isApplied)) result.add(element, nodes);
  }
  return result.nodes();
}

/** Items that come more than once are compared, come and go as a whole. */
function compareItem(place: Place, before: readonly unknown[], after: readonly unknown[], isApplied: boolean): Nodes[] {
  if (before.length < 2 && after.length < 2) return [compareValues(place, before[0], after[0], isApplied)];
  if (before.length < 2) return [compareValues(place, before[0], undefined, isApplied), { changed: emptySet }];
  if (after.length < 2) return [compareValues(place, undefined, after[0], isApplied), { removed: emptySet }];
  return equal(before as Json, after as Json) ? [] : [{ changed: emptySet }];
}

/** Collects the nodes of children; makes nothing where nothing differs. */
class Result {
  #changed: Draft | undefined;
  #removed: Draft | undefined;

  add(element: string, { changed, removed }: Nodes): void {
    if (changed) {
      this.#changed ??= {};
      this.#changed[element] = changed;
    }
    if (removed) {
      this.#removed ??= {};
      this.#removed[element] = removed;
    }
  }

  nodes(): Nodes {
    if (!this.#changed && !this.#removed) return same;
    return {
      changed: this.#changed && nodeOf(false, this.#changed),
      removed: this.#removed && nodeOf(false, this.#removed),
    };
  }
}
