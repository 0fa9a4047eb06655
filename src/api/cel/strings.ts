import type { Environment } from '@marcbachmann/cel-js';
import { compilePattern } from '../structural/pattern.ts';
import { addFunctions, addLibrary } from './environment.ts';
import { format, quote, textOf } from './formatting.ts';

/** Functions of strings: cel-go's ext.Strings and Kubernetes' regular expressions, where the library lacks them. */
export function addStrings(env: Environment): void {
  addFunctions(env, {
    'string.charAt(int): string': (text: string, index: bigint) => {
      const characters = [...text];
      if (index < 0n || index > characters.length) throw new Error(`index out of range: ${index}`);
      return characters[Number(index)] ?? '';
    },
    'string.replace(string, string): string': (text: string, from: string, to: string) =>
      text.replaceAll(from, () => to),
    'string.replace(string, string, int): string': replaceSome,
    'string.format(list): string': format,
    'string.find(string): string': (text: string, pattern: string) => compilePattern(pattern).exec(text)?.[0] ?? '',
    'string.findAll(string): list<string>': (text: string, pattern: string) => findAll(text, pattern),
    'string.findAll(string, int): list<string>': (text: string, pattern: string, limit: bigint) =>
      limit < 0n ? findAll(text, pattern) : findAll(text, pattern).slice(0, Number(limit)),
  });
  addFunctions(env, {
    'matches(string, string): bool': (text: string, pattern: string) => compilePattern(pattern).test(text),
    'string.UPPERASCII(): string': (text: string) => text.replace(/[a-z]+/g, (letters) => letters.toUpperCase()),
    'string.LOWERASCII(): string': (text: string) => text.replace(/[A-Z]+/g, (letters) => letters.toLowerCase()),
    'string(google.protobuf.Timestamp): string': textOf,
    'string(google.protobuf.Duration): string': textOf,
  });
  addLibrary(env, 'strings', { 'quote(string): string': quote });
}

/** The first so many; all where the number is negative. What is empty stands before each character, and at the end. */
function replaceSome(text: string, from: string, to: string, limit: bigint): string {
  let left = limit < 0n ? Number.POSITIVE_INFINITY : Number(limit);
  return text.replaceAll(from, (found) => (left-- > 0 ? to : found));
}

function findAll(text: string, pattern: string): string[] {
  const { source, flags } = compilePattern(pattern);
  return [...text.matchAll(new RegExp(source, `${flags}g`))].map(([found]) => found);
}
