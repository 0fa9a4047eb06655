import type { Environment } from '@marcbachmann/cel-js';
import { createEnvironment } from './environment.ts';
import { CompileError, compile, type Expression } from './expression.ts';

/** What expressions of webhooks and policies may speak of. */
const variables = ['object', 'oldObject', 'request', 'params', 'namespaceObject', 'variables'];
/** Expressions come from configurations, which are few. */
const KEPT = 2000;

let environment: Environment | undefined;
const known = new Map<string, Expression>();

/**
 * A condition of admission, compiled once.
 *
 * @throws CompileError
 */
export function admissionExpression(source: string): Expression {
  let expression = known.get(source);
  if (!expression) {
    if (known.size >= KEPT) known.clear();
    environment ??= variables.reduce((env, name) => env.registerVariable(name, 'dyn'), createEnvironment());
    expression = compile(environment, source);
    known.set(source, expression);
  }
  return expression;
}

/** Why an expression cannot be a condition of admission. */
export function admissionErrorOf(source: string): string | undefined {
  try {
    admissionExpression(source);
    return undefined;
  } catch (error) {
    if (error instanceof CompileError) return error.message;
    throw error;
  }
}
