import { formatPath } from './field-set.ts';
import { isObject, type Place, type Shape, shapeOf } from './place.ts';

/**
 * Where a configuration names an item of a list twice, or not at all: nobody could own it. Each as its path and what is
 * wrong, in the words of structured-merge-diff.
 */
export function misnamedItems(place: Place, value: unknown): string[] {
  const wrong: string[] = [];
  const visit = (at: Place, held: unknown, path: readonly string[]) => {
    const shape = shapeOf(at, held);
    if (shape.kind === 'fields' && isObject(held)) {
      for (const [name, inner] of Object.entries(held)) {
        const child = shape.child(name);
        visit(child.place, inner, [...path, child.element]);
      }
    }
    if (shape.kind === 'items' && Array.isArray(held)) visitItems(shape, held, path);
  };
  const visitItems = (shape: Items, items: readonly unknown[], path: readonly string[]) => {
    const seen = new Set<string>();
    for (const [index, item] of items.entries()) {
      const element = shape.element(item);
      if (element === NO_KEYS) {
        const keys = [...(shape.defaults?.keys() ?? [])].map((key) => JSON.stringify(key)).join(' ');
        const why = `omits all key fields [${keys}] (and doesn't have default values for any key fields)`;
        wrong.push(`${formatPath(path)}: element ${index}: associative list with keys has an element that ${why}`);
        return;
      }
      if (seen.has(element)) wrong.push(`${formatPath(path)}: duplicate entries for key ${formatPath([element])}`);
      seen.add(element);
      visit(shape.items, item, [...path, element]);
    }
  };
  visit(place, value, []);
  return wrong;
}

type Items = Extract<Shape, { kind: 'items' }>;

/** What names an item of a keyed list that has none of its keys. */
const NO_KEYS = 'k:{}';
