import type { Field } from '../schema/schema.ts';
import { emptySet, type FieldSet, nodeOf } from './field-set.ts';
import { isObject, type Place, type Shape, shapeOf } from './place.ts';

type Draft = Record<string, FieldSet>;

/** The fields that a configuration names: what its author owns after an apply. */
export function fieldSetOf(place: Place, value: unknown): FieldSet {
  return extract(place, value, false) ?? emptySet;
}

/** The fields that come into being with a value: those, and what holds them. What an update adds. */
export function wholeSetOf(place: Place, value: unknown): FieldSet {
  return extract(place, value, true) ?? emptySet;
}

/** Structs that Go holds by value: they are there from the start, so that nobody adds or removes them. */
const alwaysThere = new Set([
  'metadata',
  'spec',
  'status',
  'template',
  'strategy',
  'updateStrategy',
  'resources',
  'jobTemplate',
  'loadBalancer',
]);

/** Whether the field is there even in an empty object: such structs, and lists that Go writes when they are empty. */
export function isAlwaysThere({ name, type, required }: Field): boolean {
  if (type.kind === 'struct') return alwaysThere.has(name);
  return type.kind === 'list' && required;
}

function extract(place: Place, value: unknown, whole: boolean): FieldSet | undefined {
  const shape = shapeOf(place, value);
  if (shape.kind === 'fields' && isObject(value)) return extractFields(shape, value, whole);
  if (shape.kind === 'items' && Array.isArray(value)) return extractItems(shape, value, whole);
  return emptySet;
}

function extractFields(
  shape: Extract<Shape, { kind: 'fields' }>,
  value: Record<string, unknown>,
  whole: boolean,
): FieldSet | undefined {
  const children: Draft = {};
  let isBare = true;
  for (const name in value) {
    if (value[name] === undefined) continue;
    isBare = false;
    const field = shape.field(name);
    const found = extract(shape.child(name), value[name], whole);
    const node = whole && field && isAlwaysThere(field) && found ? withoutSelf(found) : found;
    // A key of a map is a member, whatever it holds; a field of a struct only where nothing is below it.
    const child = field ? node : asMember(node);
    if (child) children[`f:${name}`] = child;
  }
  return nodeOf(whole || isBare, children);
}

function extractItems(
  shape: Extract<Shape, { kind: 'items' }>,
  list: readonly unknown[],
  whole: boolean,
): FieldSet | undefined {
  const children: Draft = {};
  for (const item of list) children[shape.element(item)] = asMember(extract(shape.items, item, whole));
  return nodeOf(whole, children);
}

const asMember = (node: FieldSet | undefined): FieldSet => (node ? (nodeOf(true, withoutSelf(node)) ?? emptySet) : {});

function withoutSelf(node: FieldSet): FieldSet {
  if (!('.' in node)) return node;
  const { '.': _self, ...children } = node;
  return children;
}
