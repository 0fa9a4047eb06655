import type { JsonSchema } from '../structural/json-schema.ts';
import { admissionEnvironment } from './admission.ts';
import { CompileError, compile } from './expression.ts';
import { CelTypes } from './values.ts';

/**
 * Checks expressions of admission against the type of the object that they are about. What is wrong with one, or
 * `undefined`.
 */
export function typeChecker(schema: JsonSchema): (expression: string) => string | undefined {
  const env = admissionEnvironment(['request', 'params', 'namespaceObject', 'variables']);
  const type = new CelTypes(env).of(schema, true)?.name ?? 'dyn';
  for (const name of ['object', 'oldObject']) env.registerVariable(name, type);
  return (expression) => {
    try {
      compile(env, expression);
      return undefined;
    } catch (error) {
      if (error instanceof CompileError) return error.message;
      throw error;
    }
  };
}
