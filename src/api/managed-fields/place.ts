import type { FieldFacts } from '../schema/compact.ts';
import type { Field, Schema, Type } from '../schema/schema.ts';

/** Where a value stands in the schema: its type, and how it is merged there. */
export interface Place {
  readonly type: Type;
  readonly facts: FieldFacts;
}

/** How a value is owned: as a whole, field by field, or item by item. */
export type Shape =
  | { readonly kind: 'leaf' }
  | { readonly kind: 'fields'; child(name: string): Place; field(name: string): Field | undefined }
  | { readonly kind: 'items'; readonly items: Place; element(item: unknown): string };

const noFacts: FieldFacts = {};
const leaf: Shape = { kind: 'leaf' };
/** A value of which the schema says nothing: objects are owned by their fields, lists as a whole. */
const anything: Place = { type: { kind: 'scalar', scalar: 'any' }, facts: noFacts };
const untyped: Shape = { kind: 'fields', child: () => anything, field: () => undefined };

/** Keys of list items that may be left out (`default` in Kubernetes' OpenAPI). */
const keyDefaults: Readonly<Record<string, unknown>> = { protocol: 'TCP' };

/** The place of a whole object; one of no known definition is owned by what it holds. */
export function placeOf(schema: Schema, definition: string): Place {
  const found = schema.definition(definition);
  return found ? { type: { kind: 'struct', definition: found }, facts: noFacts } : anything;
}

/** Shapes are made once for each place: fields of the schema live as long as the process. */
const shapes = new WeakMap<Place, Shape>();

export function shapeOf(place: Place, value: unknown): Shape {
  if (place.type.kind === 'scalar') {
    return place.type.scalar === 'any' && isObject(value) ? untyped : leaf;
  }
  let shape = shapes.get(place);
  if (!shape) {
    shape = typedShape(place);
    shapes.set(place, shape);
  }
  return shape;
}

function typedShape({ type, facts }: Place): Shape {
  switch (type.kind) {
    case 'struct': {
      const { definition } = type;
      if ((facts.mapType ?? definition.facts.mapType) === 'atomic') return leaf;
      const field = (name: string) => definition.fields.get(name);
      return { kind: 'fields', field, child: (name) => field(name) ?? anything };
    }
    case 'map': {
      if (facts.mapType === 'atomic') return leaf;
      const values: Place = { type: type.values, facts: noFacts };
      return { kind: 'fields', field: () => undefined, child: () => values };
    }
    case 'list':
      return listShape(type.items, facts);
    default:
      return leaf;
  }
}

/** Where no list type is given, the strategic merge patch tells (as kube-openapi's schemaconv reads it); else atomic. */
function listShape(type: Type, facts: FieldFacts): Shape {
  const merged = facts.listType === undefined && (facts.patchStrategy ?? '').split(',').includes('merge');
  const items: Place = { type, facts: noFacts };
  if (facts.listType === 'map' || (merged && facts.patchMergeKey)) {
    const keys = [...(facts.listMapKeys ?? [facts.patchMergeKey ?? ''])].sort();
    return { kind: 'items', items, element: keyedBy(keys) };
  }
  if (facts.listType === 'set' || merged) {
    return { kind: 'items', items, element: (item) => `v:${JSON.stringify(item)}` };
  }
  return leaf;
}

/** Most lists have one key, a name: that is written without a detour. */
function keyedBy(keys: readonly string[]): (item: unknown) => string {
  const [only] = keys;
  if (keys.length !== 1 || only === undefined) return (item) => keyedElement(keys, item);
  const start = `k:{${JSON.stringify(only)}:`;
  return (item) => `${start}${JSON.stringify((isObject(item) ? item[only] : undefined) ?? null)}}`;
}

function keyedElement(keys: readonly string[], item: unknown): string {
  const object = isObject(item) ? item : {};
  const values = keys.map((key) => [key, object[key] ?? keyDefaults[key] ?? null]);
  return `k:${JSON.stringify(Object.fromEntries(values))}`;
}

export function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
