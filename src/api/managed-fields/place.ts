import type { FieldFacts } from '../schema/compact.ts';
import type { Definition, Field, Schema, Type } from '../schema/schema.ts';

/** Where a value stands in the schema: its type, and how it is merged there. */
export interface Place {
  readonly type: Type;
  readonly facts: FieldFacts;
}

/** How a value is owned: as a whole, field by field, or item by item. */
export type Shape =
  | { readonly kind: 'leaf' }
  | { readonly kind: 'fields'; child(name: string): Child }
  | { readonly kind: 'items'; readonly items: Place; element(item: unknown): string };

/** A field of a struct, or a key of a map. */
export interface Child {
  readonly place: Place;
  /** Its path element. */
  readonly element: string;
  readonly isField: boolean;
  /** Whether Go has it even in an empty object: nobody adds or removes it. */
  readonly isAlwaysThere: boolean;
}

const noFacts: FieldFacts = {};
const leaf: Shape = { kind: 'leaf' };
/** A value of which the schema says nothing: objects are owned by their fields, lists as a whole. */
const anything: Place = { type: { kind: 'scalar', scalar: 'any' }, facts: noFacts };
const untyped: Shape = { kind: 'fields', child: (name) => keyOf(name, anything) };

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
      return { kind: 'fields', child: fieldsOf(definition) };
    }
    case 'map': {
      if (facts.mapType === 'atomic') return leaf;
      const values: Place = { type: type.values, facts: noFacts };
      return { kind: 'fields', child: (name) => keyOf(name, values) };
    }
    case 'list':
      return listShape(type.items, facts);
    default:
      return leaf;
  }
}

const keyOf = (name: string, place: Place): Child => ({
  place,
  element: `f:${name}`,
  isField: false,
  isAlwaysThere: false,
});

/** The fields of a struct, each made once: every write asks for them. */
function fieldsOf(definition: Definition): (name: string) => Child {
  const known = new Map<string, Child>();
  return (name) => {
    const found = known.get(name);
    if (found) return found;
    const field = definition.fields.get(name);
    const child: Child = field
      ? {
          place: field,
          element: `f:${name}`,
          isField: true,
          isAlwaysThere: !definition.isUnstructured && isAlwaysThere(field),
        }
      : keyOf(name, anything);
    if (field) known.set(name, child);
    return child;
  };
}

/** Structs that Go holds by value. */
const heldByValue = new Set(
  'metadata spec status template strategy updateStrategy resources jobTemplate loadBalancer'.split(' '),
);

/** Such structs, and lists that Go writes even when they are empty. */
function isAlwaysThere({ name, type, required }: Field): boolean {
  if (type.kind === 'struct') return heldByValue.has(name);
  return type.kind === 'list' && required;
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
