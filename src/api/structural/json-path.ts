import { isObject } from './json-schema.ts';

/** One step: a name, an index, everything (`*`), or a filter on items. */
type Step =
  | { readonly kind: 'name'; readonly name: string }
  | { readonly kind: 'index'; readonly index: number }
  | { readonly kind: 'all' }
  | { readonly kind: 'filter'; readonly path: readonly Step[]; readonly operator: string; readonly value: unknown };

/** Reads what a path points at: none, one or several values. */
export type JsonPath = (value: unknown) => unknown[];

/**
 * Compiles a path of printer columns and selectable fields, as kubectl's JSONPath knows it: `.spec.replicas`,
 * `.status.conditions[?(@.type=="Ready")].status`, `.metadata.annotations.example\.com/name`, `.spec.list[*].name`.
 *
 * @throws SyntaxError
 */
export function compileJsonPath(text: string): JsonPath {
  const steps = parse(text);
  return (value) => walk([value], steps);
}

function walk(values: readonly unknown[], steps: readonly Step[]): unknown[] {
  return steps.reduce<unknown[]>((found, step) => found.flatMap((value) => take(value, step)), [...values]);
}

function take(value: unknown, step: Step): unknown[] {
  switch (step.kind) {
    case 'name':
      return isObject(value) && Object.hasOwn(value, step.name) ? [value[step.name]] : [];
    case 'index': {
      if (!Array.isArray(value)) return [];
      const at = step.index < 0 ? value.length + step.index : step.index;
      return at in value ? [value[at]] : [];
    }
    case 'all':
      return Array.isArray(value) ? value : isObject(value) ? Object.values(value) : [];
    case 'filter':
      return Array.isArray(value) ? value.filter((item) => passes(item, step)) : [];
  }
}

function passes(item: unknown, { path, operator, value }: Extract<Step, { kind: 'filter' }>): boolean {
  const [found] = walk([item], path);
  if (operator === '') return found !== undefined;
  if (found === undefined) return false;
  switch (operator) {
    case '==':
      return found === value;
    case '!=':
      return found !== value;
    default:
      return compare(found, value, operator);
  }
}

function compare(a: unknown, b: unknown, operator: string): boolean {
  const comparable =
    (typeof a === 'number' && typeof b === 'number') || (typeof a === 'string' && typeof b === 'string');
  if (!comparable) return false;
  const [left, right] = [a as number, b as number];
  if (operator === '<') return left < right;
  if (operator === '<=') return left <= right;
  return operator === '>' ? left > right : left >= right;
}

const name = /^\.?((?:[^.[\]\\]|\\[\s\S])+)/;
const index = /^\[(-?\d+)\]/;
const quoted = /^\[(?:'((?:[^'\\]|\\.)*)'|"((?:[^"\\]|\\.)*)")\]/;
const everything = /^(?:\.\*|\[\*\])/;
const filter = /^\[\?\(\s*@((?:[^=!<>)\s'"]|\\.)*)\s*(?:(==|!=|<=|>=|<|>)\s*('[^']*'|"[^"]*"|[^)\s]+)\s*)?\)\]/;

function parse(text: string): Step[] {
  const steps: Step[] = [];
  let rest = text === '.' ? '' : text;
  for (let step = next(rest); step; step = next(rest)) {
    steps.push(step.step);
    rest = rest.slice(step.length);
  }
  if (rest !== '') throw new SyntaxError(`unrecognized path ${JSON.stringify(text)}`);
  return steps;
}

function next(text: string): { step: Step; length: number } | undefined {
  if (text === '') return undefined;
  let match = everything.exec(text);
  if (match) return { step: { kind: 'all' }, length: match[0].length };
  match = index.exec(text);
  if (match) return { step: { kind: 'index', index: Number(match[1]) }, length: match[0].length };
  match = quoted.exec(text);
  if (match) return { step: { kind: 'name', name: unescaped(match[1] ?? match[2] ?? '') }, length: match[0].length };
  match = filter.exec(text);
  if (match) return { step: filterOf(match), length: match[0].length };
  match = name.exec(text);
  return match ? { step: { kind: 'name', name: unescaped(match[1] ?? '') }, length: match[0].length } : undefined;
}

const unescaped = (text: string) => text.replace(/\\([\s\S])/g, '$1');

function filterOf([, path = '', operator = '', literal = '']: RegExpExecArray): Step {
  return { kind: 'filter', path: parse(path), operator, value: operator === '' ? undefined : literalOf(literal) };
}

function literalOf(text: string): unknown {
  if (/^['"]/.test(text)) return text.slice(1, -1);
  if (text === 'true' || text === 'false') return text === 'true';
  return Number.isNaN(Number(text)) ? text : Number(text);
}
