import type { Environment } from '@marcbachmann/cel-js';
import { AUTHORIZER, addAuthorizer } from './authorizer.ts';
import { addLibrary, createEnvironment } from './environment.ts';
import { compile, type Expression } from './expression.ts';
import { addObjectLiterals, withObjectLiterals } from './object-literals.ts';

/** What expressions of webhooks and policies may speak of. */
const variables = ['object', 'oldObject', 'request', 'params', 'namespaceObject', 'variables'];
/** Expressions come from configurations, which are few. */
const KEPT = 2000;

let environment: Environment | undefined;
const known = new Map<string, Expression>();
let environmentOfMutations: Environment | undefined;
const knownMutations = new Map<string, Expression>();

/** Where expressions of admission are compiled; these variables may be anything. */
export function admissionEnvironment(names: readonly string[]): Environment {
  const env = createEnvironment();
  for (const name of names) env.registerVariable(name, 'dyn');
  addAuthorizer(env);
  return env.registerVariable('authorizer', AUTHORIZER);
}

/** Where expressions are compiled that {@link withObjectLiterals} has written. */
export function mutationEnvironment(names: readonly string[]): Environment {
  const env = admissionEnvironment(names);
  addObjectLiterals(env);
  addLibrary(env, 'jsonpatch', {
    // RFC 6901 §4
    'escapeKey(string): string': (key: string) => key.replaceAll('~', '~0').replaceAll('/', '~1'),
  });
  return env;
}

/**
 * A condition of admission, compiled once.
 *
 * @throws CompileError
 */
export function admissionExpression(source: string): Expression {
  return remember(known, source, () => {
    environment ??= admissionEnvironment(variables);
    return compile(environment, source);
  });
}

/**
 * The same of a mutation, which may make objects: `Object{…}`, `JSONPatch{…}`.
 *
 * @throws CompileError
 */
export function mutationExpression(source: string): Expression {
  return remember(knownMutations, source, () => {
    environmentOfMutations ??= mutationEnvironment(variables);
    return compile(environmentOfMutations, withObjectLiterals(source));
  });
}

function remember(expressions: Map<string, Expression>, source: string, make: () => Expression): Expression {
  let expression = expressions.get(source);
  if (!expression) {
    expression = make();
    if (expressions.size >= KEPT) expressions.clear();
    expressions.set(source, expression);
  }
  return expression;
}
