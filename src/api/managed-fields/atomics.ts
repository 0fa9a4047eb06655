import { isObject, type Place, shapeOf } from './place.ts';

/** Where a configuration holds lists, maps or structs that are owned as a whole: `.spec.args`, `.spec.ports[0].x`. */
export function atomicPathsOf(place: Place, value: unknown, path = ''): string[] {
  const shape = shapeOf(place, value);
  if (shape.kind === 'fields' && isObject(value)) {
    return Object.entries(value).flatMap(([name, each]) =>
      atomicPathsOf(shape.child(name).place, each, `${path}.${name}`),
    );
  }
  if (!Array.isArray(value)) return isObject(value) ? [path] : [];
  if (shape.kind !== 'items') return [path];
  return value.flatMap((each, index) => atomicPathsOf(shape.items, each, `${path}[${index}]`));
}
