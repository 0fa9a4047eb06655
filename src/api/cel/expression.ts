import type { Environment } from '@marcbachmann/cel-js';
import { messageOf } from '../../base/errors.ts';
import { isPattern } from '../structural/pattern.ts';
import { CALL_LIMIT, limited } from './budget.ts';
import { costOf } from './cost.ts';
import { withOwnFunctions } from './own-functions.ts';
import type { SizedType } from './sizes.ts';

/** A compiled expression. */
export interface Expression {
  readonly source: string;
  /** What it gives: `bool`, `string`, `dyn` … */
  readonly type: string;
  /** Throws where the evaluation fails; {@link CostExceeded} where it takes too long. */
  run(variables: Readonly<Record<string, unknown>>): unknown;
  /** Whether it speaks of a variable. */
  mentions(variable: string): boolean;
  /** What it costs at the most where `self` is of this type: {@link costOf}. */
  cost(self: SizedType): number;
}

/** Why an expression cannot be compiled, in the form of Kubernetes' messages. */
export class CompileError extends Error {}

/** @throws CompileError */
export function compile(env: Environment, source: string): Expression {
  const { program, type } = parse(env, source);
  return {
    source,
    type,
    run: (variables) => limited(CALL_LIMIT, () => program(variables)),
    mentions: (variable) => mentions(program.ast, variable),
    cost: (self) => costOf(program.ast, self),
  };
}

function parse(env: Environment, source: string) {
  try {
    const program = env.parse(withOwnFunctions(source));
    const checked = program.check();
    if (!checked.valid) throw checked.error;
    refuseWrongPatterns(program.ast);
    return { program, type: String(checked.type) };
  } catch (error) {
    throw new CompileError(`compilation failed: ERROR: <input>:${placeOf(error, source)}: ${inWordsOfCel(error)}`);
  }
}

/** Patterns that stand there as they are must be some, before anything is matched (cel-go's ValidateRegexLiterals). */
function refuseWrongPatterns(node: unknown): void {
  if (Array.isArray(node)) for (const each of node) refuseWrongPatterns(each);
  if (typeof node !== 'object' || node === null || !('op' in node) || !('args' in node)) return;
  refuseWrongPatterns(node.args);
  if (node.op !== 'rcall' || !Array.isArray(node.args) || node.args[0] !== 'MATCHES') return;
  const [pattern] = node.args[2] as [{ op: string; args: unknown; start: number }];
  if (pattern.op !== 'value' || typeof pattern.args !== 'string' || isPattern(pattern.args)) return;
  throw Object.assign(new Error('invalid matches argument'), { range: { start: pattern.start } });
}

/** The library's messages show the source too; only what is wrong is wanted. */
export function summaryOf(error: unknown): string {
  if (error instanceof Error && 'summary' in error && typeof error.summary === 'string') return error.summary;
  return messageOf(error).split('\n')[0] ?? '';
}

const words: readonly (readonly [ours: RegExp, theirs: string])[] = [
  [/^no such overload: (.+) in (.+)$/, "found no matching overload for '@in' applied to '($1, $2)'"],
  [/^no such overload: (.+) ([=!<>]=|[<>+\-*/%]) (.+)$/, "found no matching overload for '_$2_' applied to '($1, $3)'"],
  [/^no such overload: ([!-])(.+)$/, "found no matching overload for '$1_' applied to '($2)'"],
  [/^found no matching overload for '(\w+)\((.*)\)'$/, "found no matching overload for '$1' applied to '($2)'"],
  [
    /^found no matching overload for '(.+)\.(\w+)\((.*)\)'$/,
    "found no matching overload for '$2' applied to '$1.($3)'",
  ],
  [/^No such key: (.+)$/, "undefined field '$1'"],
  [/^Unknown variable: (.+)$/, "undeclared reference to '$1' (in container '')"],
  [/^(?:Logical operator requires|Ternary condition must be) .*got '(.+)'$/, "expected type 'bool' but found '$1'"],
];

/** What clients look for in a refusal are the words of CEL's own compiler (cel-go). */
function inWordsOfCel(error: unknown): string {
  const summary = summaryOf(error);
  if (error instanceof Error && error.name === 'ParseError') return `Syntax error: ${summary}`;
  const known = words.find(([ours]) => ours.test(summary));
  return known ? summary.replace(...known) : summary;
}

const conversion = "type conversion error from 'string' to";
/** What fails when it runs, by its first words. */
const failures: typeof words = [
  [/^No such key: index out of bounds, index (-?\d+) .*$/, 'index out of bounds: $1'],
  [/^No such key: /, 'no such key: '],
  [/^modulo by zero$/, 'modulus by zero'],
  [/^integer overflow.*$/, 'integer overflow'],
  [/^(int|uint|double|bool)\(\) (?:type|conversion) error.*$/, `${conversion} '$1'`],
  [/^timestamp\(\) requires a string .*$/, `${conversion} 'google.protobuf.Timestamp'`],
  [/^Invalid duration string.*$/, `${conversion} 'google.protobuf.Duration'`],
  [/^".*": (?=quantities must match)/, ''],
  [/^(?:no such overload: |found no matching overload for ).*$/, 'no such overload'],
];

/** Why an evaluation failed, in the words of cel-go. */
export function failureOf(error: unknown): string {
  const summary = summaryOf(error);
  const known = failures.find(([ours]) => ours.test(summary));
  return known ? summary.replace(...known) : summary;
}

function placeOf(error: unknown, source: string): string {
  const range =
    error instanceof Error && 'range' in error ? (error.range as { start?: number } | undefined) : undefined;
  const lines = source.slice(0, range?.start ?? 0).split('\n');
  return `${lines.length}:${(lines.at(-1)?.length ?? 0) + 1}`;
}

function mentions(node: unknown, variable: string): boolean {
  if (Array.isArray(node)) return node.some((each) => mentions(each, variable));
  if (typeof node !== 'object' || node === null || !('op' in node) || !('args' in node)) return false;
  return (node.op === 'id' && node.args === variable) || mentions(node.args, variable);
}
