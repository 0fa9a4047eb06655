import { isObject } from './json-schema.ts';

/** What stands at a path of an object: a value of the wanted type, nothing, or something else, as an error. */
export type Nested = { readonly value: unknown } | { readonly error: string };

/**
 * Reads a field by a path such as `.spec.replicas`, as apimachinery's NestedInt64 and NestedString do and in their
 * words.
 */
export function nestedField(object: unknown, path: string, wanted: 'int64' | 'string'): Nested {
  const names = path.replace(/^\./, '').split('.');
  let found = object;
  for (const [index, name] of names.entries()) {
    if (found === undefined || found === null) return { value: undefined };
    if (!isObject(found)) return wrong(`.${names.slice(0, index + 1).join('.')}`, found, 'map[string]interface{}');
    found = found[name];
  }
  if (found === undefined || goTypeOf(found) === wanted) return { value: found };
  return wrong(`.${names.join('.')}`, found, wanted);
}

const wrong = (path: string, value: unknown, wanted: string): Nested => ({
  error: `${path} accessor error: ${goText(value)} is of the type ${goTypeOf(value)}, expected ${wanted}`,
});

/** The type that a value of JSON has in Go. */
function goTypeOf(value: unknown): string {
  if (Array.isArray(value)) return '[]interface {}';
  switch (typeof value) {
    case 'string':
      return 'string';
    case 'boolean':
      return 'bool';
    case 'number':
      return Number.isInteger(value) && Math.abs(value) < 2 ** 63 ? 'int64' : 'float64';
    default:
      return value === null ? '<nil>' : 'map[string]interface {}';
  }
}

/** A value as Go prints it: `map[a:1 b:[x y]]`. */
function goText(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(goText).join(' ')}]`;
  if (!isObject(value)) return value === null ? '<nil>' : String(value);
  const keys = Object.keys(value).sort();
  return `map[${keys.map((key) => `${key}:${goText(value[key])}`).join(' ')}]`;
}
