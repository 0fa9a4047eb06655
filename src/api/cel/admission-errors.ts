import type { Environment } from '@marcbachmann/cel-js';
import { admissionEnvironment, mutationEnvironment } from './admission.ts';
import { CompileError, compile, type Expression } from './expression.ts';
import { withObjectLiterals } from './object-literals.ts';

/** What an expression of a webhook or a policy is there for. */
export type Place =
  | 'matchCondition'
  | 'variable'
  | 'validation'
  | 'message'
  | 'auditAnnotation'
  | 'applyConfiguration'
  | 'jsonPatch';

/** What an expression may speak of besides the request. */
export interface Declared {
  readonly params: boolean;
  readonly variables: boolean;
}

/** The types of what an expression has to give. What a variable gives does not matter. */
const wanted: Readonly<Record<Place, readonly string[]>> = {
  matchCondition: ['bool'],
  variable: [],
  validation: ['bool'],
  message: ['string'],
  auditAnnotation: ['string', 'null_type'],
  applyConfiguration: ['Object'],
  jsonPatch: ['list(JSONPatch)'],
};

const environments = new Map<string, Environment>();

/** Why an expression cannot stand in its place. */
export function expressionErrorOf(source: string, place: Place, declared: Declared): string | undefined {
  const mutates = place === 'applyConfiguration' || place === 'jsonPatch';
  const names = ['object', 'oldObject', 'request', 'namespaceObject'];
  if (declared.params) names.push('params');
  if (declared.variables && place !== 'matchCondition') names.push('variables');
  try {
    const expression = compile(environmentOf(names, mutates), mutates ? withObjectLiterals(source) : source);
    return wrongType(expression, source, place);
  } catch (error) {
    if (error instanceof CompileError) return error.message;
    throw error;
  }
}

function environmentOf(names: readonly string[], mutates: boolean): Environment {
  const key = `${mutates} ${names}`;
  let environment = environments.get(key);
  if (!environment) {
    environment = mutates ? mutationEnvironment(names) : admissionEnvironment(names);
    environments.set(key, environment);
  }
  return environment;
}

function wrongType(expression: Expression, source: string, place: Place): string | undefined {
  const types = wanted[place];
  const type = typeOf(expression, place);
  if (types.length === 0 || types.includes(type)) return undefined;
  // Much of what has a type in Kubernetes has none here: only what has none there either is refused for it.
  if (type === 'dyn' && !isFieldOfObject.test(source)) return undefined;
  if (type === 'list(dyn)' && place === 'jsonPatch' && /\bJSONPatch\b|\bvariables\b/.test(source)) return undefined;
  const names = types.length === 1 ? types[0] : `one of [${types.join(' ')}]`;
  return `must evaluate to ${names} but got ${type}`;
}

const isFieldOfObject = /^\s*(object|oldObject|params)(\.\w+)*\s*$/;

/** The type of what it gives, as Kubernetes calls it. */
function typeOf({ type }: Expression, place: Place): string {
  const literal = place === 'jsonPatch' ? 'JSONPatch' : 'Object';
  return (
    type
      .replaceAll('<', '(')
      .replaceAll('>', ')')
      .replace(/\bnull\b/, 'null_type')
      // Of an empty list.
      .replace(/\bT\b/, 'dyn')
      .replace(/\bTypedObject\b/, literal)
  );
}
