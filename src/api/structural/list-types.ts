import type { FieldError } from '../kind.ts';
import { duplicate, invalid } from '../kinds/errors.ts';
import { childOf, isObject, type JsonSchema } from './json-schema.ts';

/** Items of sets, and of lists that are maps, must differ (apiextensions' ValidateListSetsAndMaps). */
export function checkListTypes(schema: JsonSchema | undefined, value: unknown, path = ''): FieldError[] {
  if (!schema) return [];
  if (Array.isArray(value)) {
    return [
      ...checkList(schema, value, path),
      ...value.flatMap((item, index) => checkListTypes(schema.items, item, `${path}[${index}]`)),
    ];
  }
  if (!isObject(value)) return [];
  return Object.entries(value).flatMap(([name, field]) => {
    const at = schema.properties?.[name] ? (path === '' ? name : `${path}.${name}`) : `${path}[${name}]`;
    return checkListTypes(childOf(schema, name), field, at);
  });
}

function checkList(schema: JsonSchema, list: readonly unknown[], path: string): FieldError[] {
  switch (schema['x-kubernetes-list-type']) {
    case 'set':
      return repeated(list).map((index) => duplicate(`${path}[${index}]`, list[index]));
    case 'map':
      return checkKeys(schema['x-kubernetes-list-map-keys'] ?? [], list, path);
    default:
      return [];
  }
}

function checkKeys(names: readonly string[], list: readonly unknown[], path: string): FieldError[] {
  const wrong = list.findIndex((item) => item !== null && !isObject(item));
  if (wrong >= 0) {
    return [invalid(`${path}[${wrong}]`, list[wrong], 'must be an object for an array of list-type map')];
  }
  const keys = list.map((item) => {
    const object = isObject(item) ? item : {};
    return Object.fromEntries(names.filter((name) => name in object).map((name) => [name, object[name]]));
  });
  return repeated(keys).map((index) => duplicate(`${path}[${index}]`, keys[index]));
}

/** Indexes at which a value stands for the second time. */
function repeated(list: readonly unknown[]): number[] {
  const times = new Map<string, number>();
  return list.flatMap((item, index) => {
    const text = JSON.stringify(item);
    const count = (times.get(text) ?? 0) + 1;
    times.set(text, count);
    return count === 2 ? [index] : [];
  });
}
