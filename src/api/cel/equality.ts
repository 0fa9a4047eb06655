/** Equality of CEL values: by value, numbers across their types. */
export function celEquals(a: unknown, b: unknown): boolean {
  if (a === b) return true;
  if (isNumber(a) && isNumber(b)) return a === b || (Number(a) === Number(b) && typeof a !== typeof b);
  if (typeof a !== 'object' || typeof b !== 'object' || a === null || b === null) return false;
  if (Array.isArray(a) || Array.isArray(b)) {
    return Array.isArray(a) && Array.isArray(b) && a.length === b.length && a.every((x, i) => celEquals(x, b[i]));
  }
  if (a instanceof Date || b instanceof Date) return Number(a) === Number(b);
  if (hasEquals(a)) return a.equals(b);
  const [left, right] = [entriesOf(a), entriesOf(b)];
  return (
    left.size === right.size && [...left].every(([key, value]) => right.has(key) && celEquals(value, right.get(key)))
  );
}

const isNumber = (value: unknown): value is number | bigint => typeof value === 'number' || typeof value === 'bigint';

const hasEquals = (value: object): value is { equals(other: unknown): boolean } =>
  'equals' in value && typeof value.equals === 'function';

const entriesOf = (value: object): Map<unknown, unknown> =>
  value instanceof Map ? value : new Map<unknown, unknown>(Object.entries(value));
