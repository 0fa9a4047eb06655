import { messageOf } from '../../base/errors.ts';

const compiled = new Map<string, RegExp>();
/** Patterns that are kept compiled; they come from the schemas of CRDs, which are few. */
const KEPT = 5000;

/**
 * A pattern as Go's RE2 reads it. JavaScript's syntax is the same but for flags at the start, classes by name and the
 * ends of texts.
 *
 * @throws SyntaxError for what is no pattern
 */
export function compilePattern(pattern: string): RegExp {
  let found = compiled.get(pattern);
  if (!found) {
    if (compiled.size >= KEPT) compiled.clear();
    found = toRegExp(pattern);
    compiled.set(pattern, found);
  }
  return found;
}

/** Whether it is one. */
export function isPattern(pattern: string): boolean {
  try {
    compilePattern(pattern);
    return true;
  } catch {
    return false;
  }
}

const classes: Readonly<Record<string, string>> = {
  alnum: '0-9A-Za-z',
  alpha: 'A-Za-z',
  ascii: '\\x00-\\x7F',
  blank: '\\t ',
  cntrl: '\\x00-\\x1F\\x7F',
  digit: '0-9',
  graph: '!-~',
  lower: 'a-z',
  print: ' -~',
  punct: '!-\\/:-@\\[-`\\{-~',
  space: '\\t\\n\\v\\f\\r ',
  upper: 'A-Z',
  word: '0-9A-Za-z_',
  xdigit: '0-9A-Fa-f',
};

/** What JavaScript says of a pattern, and how Go names what it finds at the pattern's end or as a whole. */
const faults: readonly (readonly [said: RegExp, told: (pattern: string) => string])[] = [
  [/Unterminated group/, (pattern) => `missing closing ): \`${pattern}\``],
  [/Unmatched '\)'/, (pattern) => `unexpected ): \`${pattern}\``],
  [/Unterminated character class/, (pattern) => `missing closing ]: \`${pattern.slice(pattern.lastIndexOf('['))}\``],
  [/Nothing to repeat/, (pattern) => `missing argument to repetition operator: \`${pattern.match(/[*+?]/)?.[0]}\``],
];

function toRegExp(pattern: string): RegExp {
  refuseForeign(pattern);
  try {
    return compileOwn(pattern);
  } catch (error) {
    const told = faults.find(([said]) => said.test(messageOf(error)))?.[1];
    throw told ? new SyntaxError(`error parsing regexp: ${told(pattern)}`) : error;
  }
}

/** Go's own limit. */
const MAX_REPEAT = 1000;

/** Much that JavaScript knows is none of Go's: looking around, references back, escapes of other letters. */
function refuseForeign(pattern: string): void {
  const pieces =
    /\\(?<letter>[\s\S])|\[\^?\]?(?:\\[\s\S]|\[:\w+:\]|[^\]\\])*\]|(?<around>\(\?<?[=!])|\{(?<least>\d+)(?:,(?<most>\d*))?\}|[\s\S]/g;
  for (const { 0: piece, groups = {} } of pattern.matchAll(pieces)) {
    const { letter = '', around, least = 0, most = 0 } = groups;
    if (around) throw new SyntaxError(`error parsing regexp: invalid or unsupported Perl syntax: \`${around}\``);
    if (/[1-9A-Za-z]/.test(letter) && !/[afnrtvxQEABbzCdDsSwWpP]/.test(letter)) {
      throw new SyntaxError(`error parsing regexp: invalid escape sequence: \`${piece}\``);
    }
    if (Number(least) > MAX_REPEAT || Number(most) > MAX_REPEAT) {
      throw new SyntaxError(`error parsing regexp: invalid repeat count: \`${piece}\``);
    }
  }
}

function compileOwn(pattern: string): RegExp {
  const source = withScopedFlags(pattern)
    .replace(/\[:(\^?)(\w+):\]/g, (whole, _not: string, name: string) => classes[name] ?? whole)
    .replace(/\(\?P</g, '(?<')
    .replace(/\\A/g, '^')
    .replace(/\\z/g, '$');
  // Escapes that JavaScript refuses in its Unicode mode (`\-`, `\_`) are fine in Go.
  try {
    return new RegExp(source, 'u');
  } catch {
    return new RegExp(source);
  }
}

/** Go's `(?i)` holds to the end of its group; JavaScript's flags have a group of their own: `(?i:…)`. */
function withScopedFlags(pattern: string): string {
  if (!/\(\?[imsU-]+\)/.test(pattern)) return pattern;
  let made = '';
  // How many groups of flags end with each group that is open.
  const open = [0];
  const pieces = /\\[\s\S]|\[\^?\]?(?:\\[\s\S]|\[:\w+:\]|[^\]\\])*\]|\(\?([imsU-]+)\)|[()]|[\s\S]/g;
  for (const [piece, flags] of pattern.matchAll(pieces)) {
    if (flags !== undefined) {
      const known = flags.replace('U', '');
      if (known === '' || known === '-') continue;
      made += `(?${known}:`;
      open[open.length - 1] = (open.at(-1) ?? 0) + 1;
    } else if (piece === ')') made += `${')'.repeat(open.pop() ?? 0)})`;
    else {
      if (piece === '(') open.push(0);
      made += piece;
    }
  }
  return made + ')'.repeat(open[0] ?? 0);
}
