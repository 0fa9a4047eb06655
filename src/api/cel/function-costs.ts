/** Bounds of a size: characters of a text, bytes, items of a list, entries of a map. */
export interface Size {
  readonly min: number;
  readonly max: number;
}

/** What a call costs at the most, its arguments apart, and how large its result may be, where that is known. */
export interface CallCost {
  readonly cost: number;
  readonly size?: Size;
}

/** A call as costs see it. */
export interface SizedCall {
  readonly name: string;
  /** Size and type of what it is called on, and the size of the items of that. */
  readonly target?: SizedNode & { readonly items: Size };
  readonly args: readonly SizedNode[];
}

export interface SizedNode {
  readonly size: Size;
  readonly type: string;
  /** Where it is written out as a number. */
  readonly number?: number;
}

export const unknownSize: Size = { min: 0, max: Number.POSITIVE_INFINITY };
export const sizeOf = (size: number): Size => ({ min: size, max: size });
export const union = (a: Size, b: Size): Size => ({ min: Math.min(a.min, b.min), max: Math.max(a.max, b.max) });
export const sum = (a: Size, b: Size): Size => ({ min: a.min + b.min, max: a.max + b.max });
/** Nothing of what has no bound is nothing. */
export const times = (a: number, b: number): number => (a === 0 || b === 0 ? 0 : a * b);
const product = (a: Size, b: Size): Size => ({ min: times(a.min, b.min), max: times(a.max, b.max) });

/** To look at ten characters costs one. */
export const reading = (size: Size, factor = 1): number => Math.ceil(times(size.max, 0.1 * factor));
/** Four characters of a regular expression count as one expression. */
const matching = (text: Size, pattern: Size): number =>
  times(reading({ ...text, max: text.max + 1 }), Math.ceil(times(pattern.max, 0.25)));

/** The longest name that a named format takes. */
const LONGEST_NAME = 128;
/** Two addresses of 16 bytes at the most. */
const comparingAddresses = reading(sizeOf(32));
/** A new list, and the call that makes it. */
const LISTING = 11;

type Cost = (call: SizedCall) => CallCost | undefined;

const readsTarget: Cost = ({ target }) => target && { cost: reading(target.size), size: target.size };
const readsArgument: Cost = ({ args: [text] }) => text && { cost: reading(text.size) };
const ofArgument: Cost = ({ args: [text] }) => text && { cost: reading(text.size), size: text.size };
const looksAtItems: Cost = ({ target }) => {
  if (!target) return undefined;
  if (!target.type.startsWith('list')) return { cost: reading(target.size) };
  const readsItems = /^list<(string|bytes)>$/.test(target.type);
  return { cost: times(target.size.max, 1 + (readsItems ? reading(target.items) : 0)) };
};
const comparesSets =
  (factor: number): Cost =>
  ({ args: [a, b] }) =>
    a && b && { cost: times(times(a.size.max, b.size.max), factor) + 1 };
const makesList = (size: Size, factor = 1): CallCost => ({
  cost: LISTING + Math.ceil(times(size.max, factor)),
  size,
});
const ordersList: Cost = ({ target }) => {
  if (!target) return undefined;
  const factor = /^list<(string|bytes)>$/.test(target.type) ? 2.1 : 2;
  return makesList(product(target.size, target.size), factor);
};
const finds: Cost = ({ target, args: [pattern] }) =>
  target && pattern && { cost: matching(target.size, pattern.size), size: { min: 0, max: target.size.max } };
const holdsAddress =
  (own: number): Cost =>
  ({ args: [inner] }) =>
    inner && { cost: own + comparingAddresses + (inner.type === 'string' ? reading(inner.size) : 0) };

/** Functions that cost more than 1, or whose result has a known size (cel-go and apiserver's library.CostEstimator). */
const functions: Readonly<Record<string, Cost>> = {
  isSorted: looksAtItems,
  sum: looksAtItems,
  max: looksAtItems,
  min: looksAtItems,
  indexOf: looksAtItems,
  lastIndexOf: looksAtItems,
  url: ofArgument,
  'jsonpatch.escapeKey': ofArgument,
  lowerAscii: readsTarget,
  upperAscii: readsTarget,
  substring: readsTarget,
  trim: readsTarget,
  replace: ({ target, args: [from, to] }) =>
    target && from && to && { cost: reading(target.size, 2), size: replaced(target.size, from.size, to.size) },
  split: ({ target, args }) =>
    target && { cost: reading(target.size, 2), size: { min: 0, max: args[1]?.number ?? target.size.max } },
  join: ({ target, args: [separator] }) => {
    if (!target) return undefined;
    const between = { min: Math.max(0, target.size.min - 1), max: Math.max(0, target.size.max - 1) };
    const separators = separator ? product(separator.size, between) : sizeOf(0);
    const size = sum(product(target.size, target.items), separators);
    return { cost: reading(size), size };
  },
  find: finds,
  findAll: finds,
  matches: ({ target, args: [pattern] }) => target && pattern && { cost: matching(target.size, pattern.size) },
  contains: ({ target, args: [part] }) => target && part && { cost: times(reading(target.size), reading(part.size)) },
  startsWith: readsArgument,
  endsWith: readsArgument,
  format: ({ target }) => target && { cost: reading(target.size) },
  'strings.quote': ({ args: [text] }) =>
    text && { cost: reading(text.size), size: { min: text.size.min + 2, max: text.size.max * 2 + 2 } },
  string: ({ args: [value] }) =>
    value?.type === 'bytes' || value?.type === 'dyn'
      ? { cost: reading(value.size), size: { min: Math.floor(value.size.min / 4), max: value.size.max } }
      : undefined,
  bytes: ({ args: [value] }) =>
    value?.type === 'string' || value?.type === 'dyn'
      ? { cost: reading(value.size), size: { min: value.size.min, max: value.size.max * 4 } }
      : undefined,
  cidr: readsArgument,
  isIP: readsArgument,
  isCIDR: readsArgument,
  ip: readsArgument,
  'ip.isCanonical': ({ args: [text] }) => text && { cost: reading(text.size, 2) },
  containsIP: holdsAddress(0),
  containsCIDR: holdsAddress(reading(sizeOf(16)) + 1),
  quantity: readsArgument,
  isQuantity: readsArgument,
  semver: readsArgument,
  isSemver: readsArgument,
  validate: ({ args: [name] }) => name && { cost: times(reading(name.size), LONGEST_NAME / 4) },
  'sets.contains': comparesSets(1),
  'sets.intersects': comparesSets(1),
  'sets.equivalent': comparesSets(2),
  slice: ({ target, args: [from, to] }) =>
    target && makesList(sizeOf((to?.number ?? target.size.max) - (from?.number ?? 0))),
  'lists.range': ({ args: [count] }) => makesList(sizeOf(count?.number ?? Number.POSITIVE_INFINITY)),
  reverse: ({ target }) => (target?.type.startsWith('list') ? makesList(target.size) : undefined),
  flatten: ({ target, args: [depth] }) => target && makesList(target.size, depth?.number ?? 1),
  distinct: ({ target }) => target && makesList(product(target.size, target.size), 2),
  sort: ordersList,
};

/** What a call costs; of a function that is not known 1. */
export function costOfCall(call: SizedCall): CallCost {
  return (Object.hasOwn(functions, call.name) ? functions[call.name]?.(call) : undefined) ?? { cost: 1 };
}

/** The result is longest where the shortest that is replaced becomes the longest, as often as it fits. */
function replaced(text: Size, from: Size, to: Size): Size {
  const most = timesReplaced(text.max, from.min, to.max <= from.min);
  const least = timesReplaced(text.min, from.max, from.max <= to.min);
  return {
    min: times(least.count, to.min) + least.kept,
    max: times(most.count, to.max) + most.kept,
  };
}

/** How often something of `length` is replaced in a text, and how much of the text stays in the count. */
function timesReplaced(text: number, length: number, isNever: boolean): { count: number; kept: number } {
  if (length === 0) return { count: text + 1, kept: text };
  if (isNever) return { count: 0, kept: text };
  return { count: Math.ceil(text / length), kept: 0 };
}
