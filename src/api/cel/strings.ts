import type { Environment } from '@marcbachmann/cel-js';
import { compilePattern } from '../structural/pattern.ts';
import { addFunctions, addLibrary } from './environment.ts';

/** Functions of strings: cel-go's ext.Strings and Kubernetes' regular expressions, where the library lacks them. */
export function addStrings(env: Environment): void {
  addFunctions(env, {
    'string.charAt(int): string': (text: string, index: bigint) => {
      const characters = [...text];
      if (index < 0n || index > characters.length) throw new Error(`index out of range: ${index}`);
      return characters[Number(index)] ?? '';
    },
    'string.replace(string, string): string': (text: string, from: string, to: string) => text.split(from).join(to),
    'string.replace(string, string, int): string': replaceSome,
    'string.format(list): string': format,
    'string.find(string): string': (text: string, pattern: string) => compilePattern(pattern).exec(text)?.[0] ?? '',
    'string.findAll(string): list<string>': (text: string, pattern: string) => findAll(text, pattern),
    'string.findAll(string, int): list<string>': (text: string, pattern: string, limit: bigint) =>
      limit < 0n ? findAll(text, pattern) : findAll(text, pattern).slice(0, Number(limit)),
  });
  addFunctions(env, {
    'matches(string, string): bool': (text: string, pattern: string) => compilePattern(pattern).test(text),
    'string(google.protobuf.Timestamp): string': textOf,
    'string(google.protobuf.Duration): string': textOf,
  });
  addLibrary(env, 'strings', { 'quote(string): string': quote });
}

const escapes: Readonly<Record<string, string>> = {
  '\x07': '\\a',
  '\b': '\\b',
  '\f': '\\f',
  '\n': '\\n',
  '\r': '\\r',
  '\t': '\\t',
  '\v': '\\v',
  '\\': '\\\\',
  '"': '\\"',
};

const quote = (text: string): string =>
  `"${[...text.toWellFormed()].map((character) => escapes[character] ?? character).join('')}"`;

function replaceSome(text: string, from: string, to: string, limit: bigint): string {
  const parts = text.split(from);
  if (limit < 0n || parts.length - 1 <= limit) return parts.join(to);
  const count = Number(limit);
  return [parts.slice(0, count + 1).join(to), ...parts.slice(count + 1)].join(from);
}

function findAll(text: string, pattern: string): string[] {
  const { source, flags } = compilePattern(pattern);
  return [...text.matchAll(new RegExp(source, `${flags}g`))].map(([found]) => found);
}

/** `"%s is %d".format([name, age])`. */
function format(template: string, args: readonly unknown[]): string {
  let next = 0;
  const made = template.replace(/%(?:\.(\d+))?([a-zA-Z%])/g, (_whole, digits: string | undefined, verb: string) => {
    if (verb === '%') return '%';
    if (next >= args.length) throw new Error(`index ${next} out of range`);
    return formatOne(verb, args[next++], digits === undefined ? 6 : Number(digits));
  });
  return made;
}

function formatOne(verb: string, value: unknown, digits: number): string {
  const number = typeof value === 'bigint' || typeof value === 'number' ? value : Number.NaN;
  switch (verb) {
    case 's':
      return textOf(value);
    case 'd':
      return String(value);
    case 'f':
      return Number(number).toFixed(digits);
    case 'e':
      return Number(number).toExponential(digits);
    case 'b':
      return typeof value === 'boolean' ? String(Number(value)) : number.toString(2);
    case 'o':
      return number.toString(8);
    case 'x':
    case 'X': {
      const hex = typeof value === 'string' ? Buffer.from(value).toString('hex') : number.toString(16);
      return verb === 'X' ? hex.toUpperCase() : hex;
    }
    default:
      throw new Error(`could not parse formatting clause: unrecognized formatting clause "${verb}"`);
  }
}

/** A value as text within others, as cel-go's `%s` writes it. */
function textOf(value: unknown): string {
  if (value === null) return 'null';
  if (Array.isArray(value)) return `[${value.map(textOf).join(', ')}]`;
  if (value instanceof Date) return value.toISOString().replace(/\.000Z$/, 'Z');
  if (value instanceof Map) {
    const entries = [...value].map(([key, each]) => `${textOf(key)}: ${textOf(each)}`);
    return `{${entries.sort().join(', ')}}`;
  }
  return isDuration(value) ? `${Number(value) / 1000}s` : String(value);
}

/** The library does not export their class. Their value is in ms. */
const isDuration = (value: unknown): boolean =>
  Object.prototype.toString.call(value) === '[object google.protobuf.Duration]';
