import type { Environment } from '@marcbachmann/cel-js';
import { compilePattern } from '../structural/pattern.ts';

/** The parts of the library's own evaluator and type checker that a macro is given. */
interface Node {
  readonly op: string;
  readonly args: readonly [target: Node, name: string];
}
interface Checker {
  check(node: Node, scope: unknown): unknown;
  getType(name: string): unknown;
  createError(code: string, message: string, node: Node): Error;
}
interface Evaluator {
  run(node: Node, scope: unknown): unknown;
  debugType(value: unknown): { fieldLazy(value: unknown, name: string, node: Node, evaluator: Evaluator): unknown };
}
interface Macro {
  readonly args: readonly [Node];
}

/** `has` under this name, which no expression can have: of the same length, so that places in messages stay right. */
const NAME = 'HAS';

/**
 * The library's `has` takes a chain of names only. This one takes what CEL does: a field of any expression
 * (`has(self.rules[0].matches)`), whose other fields must be there.
 */
export function addOwnFunctions(env: Environment): void {
  env.registerFunction('string.MATCHES(string): bool', (text: string, pattern: string) =>
    compilePattern(pattern).test(text),
  );
  env.registerFunction(`${NAME}(ast): bool`, ({ args }: Macro) => ({
    args,
    async: false,
    typeCheck(checker: Checker, { args: [node] }: Macro, scope: unknown) {
      if (node.op !== '.') throw checker.createError('invalid_macro_argument', 'invalid argument to has() macro', node);
      checker.check(node, scope);
      return checker.getType('bool');
    },
    evaluate(evaluator: Evaluator, { args: [node] }: Macro, scope: unknown) {
      const target = evaluator.run(node.args[0], scope);
      return evaluator.debugType(target).fieldLazy(target, node.args[1], node, evaluator) !== undefined;
    },
  }));
}

/** An expression with calls of this `has`, and of `matches` with Go's syntax; what stands in strings is left alone. */
export function withOwnFunctions(source: string): string {
  const parts =
    /("""[\s\S]*?"""|'''[\s\S]*?'''|"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')|(?<![.\w])has(?=\s*\()|(?<=\.\s*)matches(?=\s*\()/g;
  return source.replace(parts, (whole, text: string | undefined) => text ?? whole.toUpperCase());
}
