import { KnitError } from '../base/errors.ts';
import { isInteger } from './integers.ts';
import { faults, labelValue, qualifiedName } from './kinds/names.ts';
import type { Requirement } from './selectors.ts';

/**
 * Parses the grammar of label selectors (k8s.io/apimachinery/pkg/labels): requirements with commas between them.
 * An identifier is whatever stands between white space and the signs `=!(),<>`; `in` and `notin` are words only
 * where an operator may stand.
 *
 * @throws KnitError `BAD_LABEL_SELECTOR`
 */
export function parseRequirements(text: string): Requirement[] {
  const tokens = new Tokens(text);
  const requirements: Requirement[] = [];
  if (tokens.peek() === end) return requirements;
  if (!isIdentifier(tokens.peek()) && tokens.peek() !== '!') {
    throw refused(found(tokens.peek(), "!, identifier, or 'end of string'"));
  }
  for (;;) {
    requirements.push(parseRequirement(tokens));
    const next = tokens.take();
    if (next === end) return requirements;
    if (next !== ',') throw refused(found(next, "',' or 'end of string'"));
    if (!isIdentifier(tokens.peek()) && tokens.peek() !== '!') {
      throw refused(found(tokens.peek(), "identifier after ','"));
    }
  }
}

const end = '';
const signs = new Set(['=', '==', '!=', '!', '(', ')', ',', '<', '>']);
const isIdentifier = (token: string): boolean => token !== end && !signs.has(token);

class Tokens {
  readonly #tokens: string[];
  #next = 0;

  constructor(text: string) {
    this.#tokens = text.match(/==|!=|[=!(),<>]|[^\s=!(),<>]+/g) ?? [];
  }

  peek(): string {
    return this.#tokens[this.#next] ?? end;
  }

  take(): string {
    const token = this.peek();
    this.#next++;
    return token;
  }
}

function parseRequirement(tokens: Tokens): Requirement {
  const absent = tokens.peek() === '!';
  if (absent) tokens.take();
  const key = tokens.take();
  if (!isIdentifier(key)) throw unparsable(found(key, 'identifier'));
  checkKey(key);
  if (absent) return { key, operator: '!', values: [] };
  if (tokens.peek() === end || tokens.peek() === ',') return { key, operator: 'exists', values: [] };
  return parseOperation(key, tokens);
}

function parseOperation(key: string, tokens: Tokens): Requirement {
  const sign = tokens.take();
  switch (sign) {
    case '=':
    case '==':
      return { key, operator: '=', values: checkedValues(key, [parseExactValue(tokens)]) };
    case '!=':
      return { key, operator: '!=', values: checkedValues(key, [parseExactValue(tokens)]) };
    case '>':
    case '<':
      return { key, operator: sign === '>' ? 'gt' : 'lt', values: [integer(parseExactValue(tokens))] };
    case 'in':
    case 'notin':
      return { key, operator: sign, values: checkedValues(key, parseValues(tokens)) };
    default:
      throw unparsable(found(sign, 'in, notin, =, ==, !=, gt, lt'));
  }
}

/** Nothing at all is the empty value: `a=` and `a=,b`. */
function parseExactValue(tokens: Tokens): string {
  if (tokens.peek() === end || tokens.peek() === ',') return '';
  const value = tokens.take();
  if (isIdentifier(value)) return value;
  throw unparsable(found(value, 'identifier'));
}

function parseValues(tokens: Tokens): string[] {
  const open = tokens.take();
  if (open !== '(') throw unparsable(`found '${open}' expected: '('`);
  const values = new Set<string>();
  for (;;) {
    values.add(isIdentifier(tokens.peek()) ? tokens.take() : '');
    const next = tokens.take();
    if (next === ')') return [...values].sort();
    if (next !== ',') throw unparsable(found(next, "',' or ')'"));
  }
}

function checkKey(key: string): void {
  const wrong = faults(qualifiedName, key);
  if (wrong.length > 0) throw unparsable(`<nil>: Invalid value: ${JSON.stringify(key)}: ${wrong.join('; ')}`);
}

function checkedValues(key: string, values: string[]): string[] {
  values.forEach((value, index) => {
    const wrong = faults(labelValue, value);
    if (wrong.length === 0) return;
    throw unparsable(`values[${index}][${key}]: Invalid value: ${JSON.stringify(value)}: ${wrong.join('; ')}`);
  });
  return values;
}

function integer(value: string): string {
  if (isInteger(value)) return value;
  throw unparsable(
    `values[0]: Invalid value: ${JSON.stringify(value)}: for 'Gt', 'Lt' operators, the value must be an integer`,
  );
}

const found = (token: string, expected: string): string => `found '${token}', expected: ${expected}`;

/** Something is wrong inside of a requirement. */
const unparsable = (reason: string): KnitError => refused(`unable to parse requirement: ${reason}`);

const refused = (reason: string): KnitError =>
  new KnitError('BAD_LABEL_SELECTOR', reason, 'write it as app=web,tier in (front,back),!old');
