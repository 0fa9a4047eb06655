import type { FieldFacts } from '../schema/compact.ts';
import type { Definition, Field, Schema, Type } from '../schema/schema.ts';
import { isHeldByValue, isListKept } from './held-by-value.ts';

/** Where a value stands in the schema: its type, and how it is merged there. */
export interface Place {
  readonly type: Type;
  readonly facts: FieldFacts;
}

/** How a value is owned: as a whole, field by field, or item by item. */
export type Shape =
  | { readonly kind: 'leaf' }
  | { readonly kind: 'fields'; readonly structsByValue: readonly string[]; child(name: string): Child }
  | {
      readonly kind: 'items';
      readonly items: Place;
      /** Of a list with keys: each key with what stands for it where an item leaves it out. */
      readonly defaults?: ReadonlyMap<string, unknown>;
      element(item: unknown): string;
    };

/** A field of a struct, or a key of a map. */
export interface Child {
  readonly place: Place;
  /** Its path element. */
  readonly element: string;
  readonly isField: boolean;
  /** Whether Go has it even in an empty object: nobody adds or removes it. */
  readonly isAlwaysThere: boolean;
  /** Whether Go does not tell an empty one from none. */
  readonly isOmittedEmpty: boolean;
}

const noFacts: FieldFacts = {};
const leaf: Shape = { kind: 'leaf' };
/** A value of which the schema says nothing: objects are owned by their fields, lists as a whole. */
const anything: Place = { type: { kind: 'scalar', scalar: 'any' }, facts: noFacts };
const untyped: Shape = { kind: 'fields', structsByValue: [], child: (name) => keyOf(name, anything) };

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
      return { kind: 'fields', structsByValue: structsByValue(definition), child: fieldsOf(definition) };
    }
    case 'map': {
      if (facts.mapType === 'atomic') return leaf;
      const values: Place = { type: type.values, facts: type.facts ?? noFacts };
      return { kind: 'fields', structsByValue: [], child: (name) => keyOf(name, values) };
    }
    case 'list':
      return listShape({ type: type.items, facts: type.facts ?? noFacts }, facts);
    default:
      return leaf;
  }
}

const keyOf = (name: string, place: Place): Child => ({
  place,
  element: `f:${name}`,
  isField: false,
  isAlwaysThere: false,
  isOmittedEmpty: false,
});

/** The fields of a struct, each made once: every write asks for them. */
function fieldsOf(definition: Definition): (name: string) => Child {
  const known = new Map<string, Child>();
  return (name) => {
    const found = known.get(name);
    if (found) return found;
    const field = definition.fields.get(name);
    const child: Child = field ? fieldChild(definition, field) : keyOf(name, anything);
    if (field) known.set(name, child);
    return child;
  };
}

function fieldChild(definition: Definition, field: Field): Child {
  const isGo = !definition.isUnstructured;
  const isAlwaysThere = isGo && isThereUnwritten(definition, field);
  const isCollection = field.type.kind === 'list' || field.type.kind === 'map';
  return {
    place: field,
    element: `f:${field.name}`,
    isField: true,
    isAlwaysThere,
    isOmittedEmpty: isGo && isCollection && !isAlwaysThere,
  };
}

/** Structs that Go holds by value, and lists that it writes even when they are empty. */
function isThereUnwritten(definition: Definition, field: Field): boolean {
  if (field.type.kind === 'struct') return isHeldByValue(definition, field);
  return field.type.kind === 'list' && isListKept(definition, field);
}

function structsByValue(definition: Definition): string[] {
  if (definition.isUnstructured) return [];
  const fields = [...definition.fields.values()];
  return fields
    .filter((field) => field.type.kind === 'struct' && isHeldByValue(definition, field))
    .map(({ name }) => name);
}

/** Where no list type is given, the strategic merge patch tells (as kube-openapi's schemaconv reads it); else atomic. */
function listShape(items: Place, facts: FieldFacts): Shape {
  const merged = facts.listType === undefined && (facts.patchStrategy ?? '').split(',').includes('merge');
  if (facts.listType === 'map' || (merged && facts.patchMergeKey)) {
    const keys = [...(facts.listMapKeys ?? [facts.patchMergeKey ?? ''])].sort();
    const defaults = new Map(keys.map((key) => [key, keyDefault(items.type, key)]));
    return { kind: 'items', items, defaults, element: keyedBy(keys, defaults) };
  }
  if (facts.listType === 'set' || merged) {
    return { kind: 'items', items, element: (item) => `v:${JSON.stringify(item)}` };
  }
  return leaf;
}

/**
 * What an item has for a key that it leaves out: what the schema of a custom resource says, or for Go's structs the
 * zero of what is required, as their OpenAPI has it (and a protocol, the only one with another default there).
 */
function keyDefault(items: Type, key: string): unknown {
  const definition = items.kind === 'struct' ? items.definition : undefined;
  const field = definition?.fields.get(key);
  if (!definition || !field || definition.isUnstructured) return field?.facts.default;
  if (key === 'protocol') return 'TCP';
  if (!field.required || field.type.kind !== 'scalar') return undefined;
  return field.type.scalar === 'string' ? '' : 0;
}

type KeyDefaults = ReadonlyMap<string, unknown>;

/** Most lists have one key, a name: that is written without a detour. */
function keyedBy(keys: readonly string[], defaults: KeyDefaults): (item: unknown) => string {
  const [only] = keys;
  if (keys.length !== 1 || only === undefined) return (item) => keyedElement(keys, defaults, item);
  const start = `k:{${JSON.stringify(only)}:`;
  return (item) => {
    const value = isObject(item) ? item[only] : undefined;
    return value === undefined ? keyedElement(keys, defaults, item) : `${start}${JSON.stringify(value)}}`;
  };
}

/** A key that an item has not, and that has no default, is no part of what names it. */
function keyedElement(keys: readonly string[], defaults: KeyDefaults, item: unknown): string {
  const object = isObject(item) ? item : {};
  const values = keys.map((key) => [key, object[key] === undefined ? defaults.get(key) : object[key]]);
  return `k:${JSON.stringify(Object.fromEntries(values))}`;
}

export function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** An empty list or map. */
export function isBlank(value: unknown): boolean {
  if (Array.isArray(value)) return value.length === 0;
  return isObject(value) && Object.keys(value).length === 0;
}

/** The items of a list by what names them; most come once. */
export function itemsByElement(shape: Extract<Shape, { kind: 'items' }>, list: readonly unknown[]) {
  const found = new Map<string, unknown[]>();
  for (const item of list) {
    const element = shape.element(item);
    const same = found.get(element);
    if (same) same.push(item);
    else found.set(element, [item]);
  }
  return found;
}
