import { Environment } from '@marcbachmann/cel-js';
import { countEvaluations } from './budget.ts';
import { addComprehensions } from './comprehensions.ts';
import { addFormats } from './formats.ts';
import { addLists } from './lists.ts';
import { addNetwork } from './network.ts';
import { addOwnFunctions } from './own-functions.ts';
import { addQuantities } from './quantities.ts';
import { addSemver } from './semver.ts';
import { addSets } from './sets.ts';
import { addStrings } from './strings.ts';
import { addUrls } from './urls.ts';

let base: Environment | undefined;

/** A new CEL environment with Kubernetes' libraries, to be given variables and types. */
export function createEnvironment(): Environment {
  base ??= makeBase();
  return base.clone();
}

function makeBase(): Environment {
  const env = addLibraries(new Environment({ enableOptionalTypes: true, homogeneousAggregateLiterals: false }));
  countEvaluations(env);
  return env;
}

function addLibraries(env: Environment): Environment {
  for (const add of [
    addOwnFunctions,
    addComprehensions,
    addStrings,
    addLists,
    addSets,
    addQuantities,
    addNetwork,
    addUrls,
    addFormats,
    addSemver,
  ])
    add(env);
  return env;
}

/** Makes `sets.contains(…)` out of functions whose receiver is the library itself. */
export function addLibrary(env: Environment, name: string, functions: Readonly<Record<string, Handler>>): void {
  const type = `${name[0]?.toUpperCase()}${name.slice(1)}Library`;
  const Library = { [type]: class {} }[type] as new () => object;
  env.registerType(type, Library);
  env.registerConstant(name, type, new Library());
  for (const [signature, handler] of Object.entries(functions)) {
    env.registerFunction(`${type}.${signature}`, (_library: unknown, ...args: never[]) => handler(...args));
  }
}

export type Handler = (...args: never[]) => unknown;

export function addFunctions(env: Environment, functions: Readonly<Record<string, Handler>>): void {
  for (const [signature, handler] of Object.entries(functions)) env.registerFunction(signature, handler);
}
