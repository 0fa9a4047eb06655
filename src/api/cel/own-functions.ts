import { type Environment, Optional } from '@marcbachmann/cel-js';
import { isObject } from '../structural/json-schema.ts';
import { compilePattern } from '../structural/pattern.ts';
import type { Call, Checker, Evaluator, Node, Scope } from './macro.ts';

/** A call with one argument. */
interface One {
  readonly args: readonly [Node];
}

/** `object.field` */
interface Selection {
  readonly args: readonly [target: Node, name: string];
}

/** `has` under this name, which no expression can have: of the same length, so that places in messages stay right. */
const NAME = 'HAS';

/**
 * The library's `has` takes a chain of names only. This one takes what CEL does: a field of any expression
 * (`has(self.rules[0].matches)`), whose other fields must be there.
 */
export function addOwnFunctions(env: Environment): void {
  env.registerFunction('OptionalNamespace.ofNonZeroValue(dyn): optional<dyn>', (_: unknown, value: unknown) =>
    isZero(value) ? Optional.none() : Optional.of(value),
  );
  // Which it never is.
  env.registerOperator('optional<dyn> == null', () => false);
  env.registerFunction('string.MATCHES(string): bool', (text: string, pattern: string) =>
    compilePattern(pattern).test(text),
  );
  env.registerFunction(`${NAME}(ast): bool`, ({ args }: Call) => ({
    args,
    async: false,
    typeCheck(checker: Checker, { args: [node] }: One, scope: Scope) {
      if (node.op !== '.') throw checker.createError('invalid_macro_argument', 'invalid argument to has() macro', node);
      checker.check(node, scope);
      return checker.getType('bool');
    },
    evaluate(evaluator: Evaluator, { args: [node] }: One, scope: Scope) {
      const [target, name] = (node as Selection).args;
      const value = evaluator.run(target, scope);
      // A null is none, whatever the type of the field.
      if (isObject(value) && value[name] === null) return false;
      return evaluator.debugType(value).fieldLazy(value, name, node, evaluator) !== undefined;
    },
  }));
}

/** The value that a field has in protobuf where it is not set. */
function isZero(value: unknown): boolean {
  if (typeof value === 'object' && value !== null) {
    if (value instanceof Map) return value.size === 0;
    if (Array.isArray(value) || value instanceof Uint8Array) return value.length === 0;
    return Object.keys(value).length === 0 && !(value instanceof Date);
  }
  return !value;
}

/** A function's name as people know it. */
export const usualName = (name: string): string =>
  ({ MATCHES: 'matches', UPPERASCII: 'upperAscii', LOWERASCII: 'lowerAscii' })[name] ?? name;

/**
 * An expression with calls of this `has`, and of functions that the library has in another way (`matches` with another
 * syntax, letters beyond ASCII); what stands in strings is left alone.
 */
export function withOwnFunctions(source: string): string {
  const parts =
    /("""[\s\S]*?"""|'''[\s\S]*?'''|"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')|(?<![.\w])has(?=\s*\()|(?<=\.\s*)(?:matches|upperAscii|lowerAscii)(?=\s*\()/g;
  return source.replace(parts, (whole, text: string | undefined) => text ?? whole.toUpperCase());
}
