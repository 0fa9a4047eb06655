/** Whether both would be the same JSON: a field that is `undefined` is not there. */
export function equalAsJson(a: unknown, b: unknown): boolean {
  if (a === b) return true;
  if (typeof a !== 'object' || typeof b !== 'object' || a === null || b === null) return false;
  if (Array.isArray(a)) {
    return Array.isArray(b) && a.length === b.length && a.every((item, index) => equalAsJson(item, b[index]));
  }
  return !Array.isArray(b) && equalFields(a, b, []);
}

/** The same for two objects, without some of their fields. */
export function equalFields(a: object, b: object, except: readonly string[]): boolean {
  const [left, right] = [a as Record<string, unknown>, b as Record<string, unknown>];
  for (const field in left) {
    if (!except.includes(field) && !equalAsJson(left[field], right[field])) return false;
  }
  for (const field in right) {
    if (right[field] !== undefined && left[field] === undefined && !except.includes(field)) return false;
  }
  return true;
}
