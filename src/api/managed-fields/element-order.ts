/**
 * The order of path elements in Kubernetes' messages: fields by name, then keyed items by their keys, then values of
 * sets, numbers before texts.
 */
export function compareElements(a: string, b: string): number {
  const [first, second] = [kinds.indexOf(a[0] ?? ''), kinds.indexOf(b[0] ?? '')];
  if (first !== second) return first - second;
  if (a[0] === 'k') return compareKeys(parsed(a), parsed(b));
  if (a[0] === 'v') return compareValues(parsed(a), parsed(b));
  return compareTexts(a, b);
}

const kinds = ['f', 'k', 'v', 'i'];

const parsed = (element: string): unknown => JSON.parse(element.slice(2));

function compareKeys(a: unknown, b: unknown): number {
  const [mine, theirs] = [Object.entries(a as object), Object.entries(b as object)];
  for (const [index, [name, value]] of mine.entries()) {
    const other = theirs[index];
    if (!other) return 1;
    const order = compareTexts(name, other[0]) || compareValues(value, other[1]);
    if (order !== 0) return order;
  }
  return mine.length - theirs.length;
}

const types = ['number', 'string', 'boolean', 'object'];

function compareValues(a: unknown, b: unknown): number {
  if (typeof a !== typeof b) return types.indexOf(typeof a) - types.indexOf(typeof b);
  if (typeof a === 'string') return compareTexts(a, String(b));
  return Number(a) - Number(b);
}

const compareTexts = (a: string, b: string): number => (a < b ? -1 : Number(a > b));
