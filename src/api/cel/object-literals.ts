import type { Environment } from '@marcbachmann/cel-js';
import { isObject } from '../structural/json-schema.ts';

/** A function of this name takes the place of a literal; no expression can call it, since it is written here alone. */
const NAME = 'OBJECT';

/** `Object.spec{replicas: 3}` or `JSONPatch{op: "remove", path: "/data"}`: fields under the name of a type. */
export class TypedObject {
  /** `Object`, `Object.spec.template`, `JSONPatch`. */
  readonly type: string;
  readonly fields: Readonly<Record<string, unknown>>;

  constructor(type: string, fields: Readonly<Record<string, unknown>>) {
    this.type = type;
    this.fields = fields;
  }
}

/** What an optional of the library is: it does not export its class. */
interface Optional {
  hasValue(): boolean;
  value(): unknown;
}

const isOptional = (value: unknown): value is Optional =>
  typeof value === 'object' && value !== null && 'hasValue' in value && 'value' in value;

/** Objects of mutations, and `jsonpatch.escapeKey`, for expressions that {@link withObjectLiterals} has written. */
export function addObjectLiterals(env: Environment): void {
  env.registerType('TypedObject', TypedObject);
  env.registerFunction(`${NAME}(string, map): TypedObject`, (type: string, given: object) => {
    const fields: Record<string, unknown> = {};
    for (const [name, value] of given instanceof Map ? given : Object.entries(given)) {
      if (!String(name).startsWith('?')) fields[name] = value;
      else if (isOptional(value) && value.hasValue()) fields[String(name).slice(1)] = value.value();
    }
    return new TypedObject(type, fields);
  });
}

const TOKEN =
  /\s+|\/\/[^\n]*|"""[\s\S]*?"""|'''[\s\S]*?'''|"(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*'|`[^`\n]*`|[A-Za-z_]\w*|\d[\w.]*|[\s\S]/g;
const NOTHING = /^(\s|\/\/)/;
const NAMED = /^[A-Za-z_`]/;
const MESSAGES = new Set(['Object', 'JSONPatch']);

/**
 * The expression with literals of objects as calls: the library has literals of maps and lists alone. Brackets in strings
 * are left alone; what is no whole expression stays so, for the compiler to say.
 */
export function withObjectLiterals(source: string): string {
  const tokens = source.match(TOKEN) ?? [];
  const written = [...tokens];
  /** Of the brackets that are open: whether each is of an object. */
  const open: boolean[] = [];
  const isPlace = (at: number): boolean => tokens[at] !== undefined && NOTHING.test(tokens[at]);
  const next = (at: number): number => {
    let to = at + 1;
    while (isPlace(to)) to++;
    return to;
  };
  const before = (at: number): number => {
    let to = at - 1;
    while (isPlace(to)) to--;
    return to;
  };
  const quoteField = (at: number): void => {
    const mark = tokens[at] === '?' ? at : undefined;
    const name = mark === undefined ? at : next(at);
    const token = tokens[name];
    if (!token || !NAMED.test(token) || tokens[next(name)] !== ':') return;
    if (mark !== undefined) written[mark] = '';
    written[name] = JSON.stringify((mark === undefined ? '' : '?') + token.replaceAll('`', ''));
  };
  for (const [at, token] of tokens.entries()) {
    if (token === '{') {
      const start = startOfType(tokens, before(at), before);
      open.push(start !== undefined);
      if (start === undefined) continue;
      const type = tokens.slice(start, at).filter((each) => !NOTHING.test(each));
      for (let i = start; i < at; i++) written[i] = '';
      written[at] = `${NAME}(${JSON.stringify(type.join('').replaceAll('`', ''))}, {`;
      quoteField(next(at));
    } else if (token === '(' || token === '[') open.push(false);
    else if (token === ')' || token === ']') open.pop();
    else if (token === '}') {
      if (open.pop()) written[at] = '})';
    } else if (token === ',' && open.at(-1)) quoteField(next(at));
  }
  return written.join('');
}

/** Where the name of a type begins that ends at a token; `undefined` where it is no name of one. */
function startOfType(tokens: readonly string[], end: number, before: (at: number) => number): number | undefined {
  let at = end;
  while (at >= 0 && NAMED.test(tokens[at] ?? '')) {
    const dot = before(at);
    if (tokens[dot] !== '.') return MESSAGES.has(tokens[at] ?? '') ? at : undefined;
    at = before(dot);
  }
  return undefined;
}

/**
 * JSON of a value of CEL.
 *
 * @throws Error where an object stands in a field that its type does not name, or a value has no JSON
 */
export function toJson(value: unknown, path: string | undefined = undefined): unknown {
  if (value instanceof TypedObject) {
    const wanted = path ?? value.type;
    if (value.type !== wanted) {
      const expected = `expected ${JSON.stringify(wanted)}, which matches field name path from root Object type`;
      throw new Error(`type mismatch: unexpected type name ${JSON.stringify(value.type)}, ${expected}`);
    }
    return jsonOfEntries(Object.entries(value.fields), (name) => `${value.type}.${name}`);
  }
  if (typeof value === 'bigint') return Number(value);
  if (Array.isArray(value)) return value.map((item) => toJson(item, path));
  if (value instanceof Map) return jsonOfEntries([...value], () => path);
  if (value instanceof Date) return value.toISOString().replace('.000Z', 'Z');
  if (value instanceof Uint8Array) return Buffer.from(value).toString('base64');
  if (typeof value !== 'object' || value === null) return value;
  if (!isObject(value) || Object.getPrototypeOf(value) !== Object.prototype)
    throw new Error('a value has no JSON form');
  return jsonOfEntries(Object.entries(value), () => path);
}

function jsonOfEntries(entries: readonly [string, unknown][], pathOf: (name: string) => string | undefined): object {
  return Object.fromEntries(entries.map(([name, value]) => [name, toJson(value, pathOf(name))]));
}
