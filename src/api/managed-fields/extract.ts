import { emptySet, type FieldSet } from './field-set.ts';
import { isBlank, isObject, itemsByElement, type Place, type Shape, shapeOf } from './place.ts';

/** The fields that a configuration names: what its author owns after an apply. */
export function fieldSetOf(place: Place, value: unknown): FieldSet {
  return extract(place, value, false, false) ?? emptySet;
}

/** The fields that come into being with a value: those, and what holds them. What an update adds. */
export function wholeSetOf(place: Place, value: unknown): FieldSet {
  return extract(place, value, true, true) ?? emptySet;
}

/** The node of a value; `isMember`: it is in the set itself, not only what is in it. */
function extract(place: Place, value: unknown, whole: boolean, isMember: boolean): FieldSet | undefined {
  const shape = shapeOf(place, value);
  if (shape.kind === 'fields' && isObject(value)) return extractFields(shape, value, whole, isMember);
  if (shape.kind === 'items' && Array.isArray(value)) return extractItems(shape, value, whole, isMember);
  return emptySet;
}

function extractFields(
  shape: Extract<Shape, { kind: 'fields' }>,
  value: Record<string, unknown>,
  whole: boolean,
  isMember: boolean,
): FieldSet | undefined {
  const node: Record<string, FieldSet> = isMember ? { '.': emptySet } : {};
  let isBare = true;
  let isInner = false;
  const visit = (name: string, held: unknown) => {
    const { place, element, isField, isOmittedEmpty } = shape.child(name);
    if (whole && isOmittedEmpty && isBlank(held)) return;
    isBare = false;
    // A key of a map is a member, whatever it holds; a field of a struct only where nothing is below it.
    const child = extract(place, held, whole, whole || !isField);
    if (!child) return;
    node[element] = child;
    isInner = true;
  };
  for (const name in value) if (value[name] !== undefined) visit(name, value[name]);
  if (whole) for (const name of shape.structsByValue) if (value[name] === undefined) visit(name, {});
  if (isInner) return node;
  return isMember || isBare ? emptySet : undefined;
}

/** An item that comes more than once is owned as a whole. */
function extractItems(
  shape: Extract<Shape, { kind: 'items' }>,
  list: readonly unknown[],
  whole: boolean,
  isMember: boolean,
): FieldSet | undefined {
  if (list.length === 0) return isMember ? emptySet : undefined;
  const node: Record<string, FieldSet> = isMember ? { '.': emptySet } : {};
  for (const [element, [item, ...more]] of itemsByElement(shape, list)) {
    node[element] = more.length > 0 ? emptySet : (extract(shape.items, item, whole, true) ?? emptySet);
  }
  return node;
}
