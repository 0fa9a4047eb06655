import { equal, type Json } from '../patch/json.ts';
import { wholeSetOf } from './extract.ts';
import { emptySet, type FieldSet, nodeOf } from './field-set.ts';
import { type Child, isObject, type Place, type Shape, shapeOf } from './place.ts';

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

export function compare(place: Place, before: unknown, after: unknown): Comparison {
  const { changed, removed } = compareValues(place, before, after);
  return { changed: changed ?? emptySet, removed: removed ?? emptySet };
}

function compareValues(place: Place, before: unknown, after: unknown): Nodes {
  if (before === after) return same;
  if (before === undefined) return { changed: wholeSetOf(place, after) };
  if (after === undefined) return { removed: wholeSetOf(place, before) };
  const shape = shapeOf(place, after);
  if (shape.kind === 'fields' && isObject(before) && isObject(after)) return compareFields(shape, before, after);
  if (shape.kind === 'items' && Array.isArray(before) && Array.isArray(after)) {
    return compareItems(shape, before, after);
  }
  return equal(before as Json, after as Json) ? same : { changed: emptySet };
}

function compareFields(
  shape: Extract<Shape, { kind: 'fields' }>,
  before: Record<string, unknown>,
  after: Record<string, unknown>,
): Nodes {
  const result = new Result();
  for (const name in after) {
    if (before[name] !== after[name]) compareChild(result, shape.child(name), before[name], after[name]);
  }
  for (const name in before) {
    if (before[name] === undefined || after[name] !== undefined) continue;
    compareChild(result, shape.child(name), before[name], undefined);
  }
  return result.nodes();
}

/** What is always there in Go is compared with an empty one, where it is missing in JSON. */
function compareChild(result: Result, child: Child, before: unknown, after: unknown): void {
  const { place, element, isAlwaysThere } = child;
  const nothing = isAlwaysThere ? (place.type.kind === 'list' ? [] : {}) : undefined;
  result.add(element, compareValues(place, before ?? nothing, after ?? nothing));
}

function compareItems(
  shape: Extract<Shape, { kind: 'items' }>,
  before: readonly unknown[],
  after: readonly unknown[],
): Nodes {
  const old = new Map(before.map((item) => [shape.element(item), item]));
  const result = new Result();
  for (const item of after) {
    const element = shape.element(item);
    result.add(element, compareValues(shape.items, old.get(element), item));
    old.delete(element);
  }
  for (const [element, item] of old) result.add(element, compareValues(shape.items, item, undefined));
  return result.nodes();
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
