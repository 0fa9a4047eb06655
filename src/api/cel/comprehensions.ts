import { type Environment, Optional } from '@marcbachmann/cel-js';
import { compare } from './lists.ts';
import type { Call, Checker, Evaluator, Node, Scope } from './macro.ts';

type Entry = readonly [key: unknown, value: unknown];

/** Runs a part of the macro for one entry. */
type Run = (part: Node, entry: Entry) => unknown;

interface Comprehension {
  readonly result: string;
  /** `parts` are what stands behind the two variables. */
  evaluate(entries: readonly Entry[], parts: readonly Node[], run: Run): unknown;
}

/**
 * Macros with a variable for keys (of lists: indexes) and one for values, and those of optional values (cel-go's
 * ext.TwoVarComprehensions and OptionalTypes).
 */
export function addComprehensions(env: Environment): void {
  for (const receiver of ['list', 'map']) {
    for (const [name, comprehension] of Object.entries(comprehensions)) {
      env.registerFunction(`${receiver}.${name}(ast, ast, ast): ${comprehension.result}`, twoVariables(comprehension));
    }
    for (const [name, comprehension] of Object.entries(transforms)) {
      const signature = `${receiver}.${name}(ast, ast, ast, ast): ${comprehension.result}`;
      env.registerFunction(signature, twoVariables(comprehension));
      env.registerFunction(signature.replace('ast, ', ''), twoVariables(comprehension));
    }
  }
  env.registerFunction('list.sortBy(ast, ast): list<dyn>', sortBy);
  env.registerFunction(
    'optional.optMap(ast, ast): optional<dyn>',
    optional((value) => Optional.of(value)),
  );
  env.registerFunction(
    'optional.optFlatMap(ast, ast): optional<dyn>',
    optional((value) => value),
  );
}

/** As with one variable: what settles it hides errors of others. */
function settled(by: boolean): Comprehension {
  return {
    result: 'bool',
    evaluate(entries, [predicate], run) {
      let failure: unknown;
      for (const entry of entries) {
        try {
          if (run(predicate!, entry) === by) return by;
        } catch (error) {
          failure ??= error;
        }
      }
      if (failure !== undefined) throw failure;
      return !by;
    },
  };
}

const comprehensions: Readonly<Record<string, Comprehension>> = {
  all: settled(false),
  exists: settled(true),
  existsOne: {
    result: 'bool',
    evaluate: (entries, [predicate], run) => entries.filter((entry) => run(predicate!, entry) === true).length === 1,
  },
};

/** Those whose last part says what an entry becomes; one before it says which entries are taken. */
const transforms: Readonly<Record<string, Comprehension>> = {
  transformList: {
    result: 'list<dyn>',
    evaluate: (entries, parts, run) => taken(entries, parts, run).map((entry) => run(parts.at(-1)!, entry)),
  },
  transformMap: {
    result: 'map<dyn, dyn>',
    evaluate: (entries, parts, run) =>
      new Map(taken(entries, parts, run).map((entry) => [entry[0], run(parts.at(-1)!, entry)])),
  },
  transformMapEntry: {
    result: 'map<dyn, dyn>',
    evaluate(entries, parts, run) {
      const result = new Map<unknown, unknown>();
      for (const entry of taken(entries, parts, run)) {
        for (const [key, value] of entriesOf(run(parts.at(-1)!, entry))) {
          if (result.has(key)) throw new Error(`insert failed: key ${JSON.stringify(String(key))} already exists`);
          result.set(key, value);
        }
      }
      return result;
    },
  },
};

const taken = (entries: readonly Entry[], parts: readonly Node[], run: Run): readonly Entry[] =>
  parts.length === 1 ? entries : entries.filter((entry) => run(parts[0]!, entry) === true);

function twoVariables({ result, evaluate }: Comprehension) {
  return ({ receiver, args: [first, second, ...parts] }: Call) => {
    let outer: Scope;
    let inner: Scope;
    return {
      async: false,
      typeCheck(checker: Checker, _macro: unknown, scope: Scope) {
        const type = checker.check(receiver, scope);
        const dyn = checker.getType('dyn');
        const key = type.kind === 'list' ? checker.getType('int') : type.kind === 'map' ? type.keyType : dyn;
        outer = scope.forkWithVariable(nameOf(checker, first!), key);
        inner = outer.forkWithVariable(nameOf(checker, second!), type.kind === 'dyn' ? dyn : type.valueType);
        for (const part of parts) checker.check(part, inner);
        return checker.getType(result);
      },
      evaluate(evaluator: Evaluator, _macro: unknown, scope: Scope) {
        const entries = entriesOf(evaluator.run(receiver, scope));
        return evaluate(entries, parts, (part, [key, value]) => {
          const around = outer.reuse(scope).setIterValue(key, evaluator);
          return evaluator.run(part, inner.reuse(around).setIterValue(value, evaluator));
        });
      },
    };
  };
}

/** Orders a list by a key of each item (cel-go's ext.Lists). */
const sortBy = oneVariable('list', undefined, (list, run) => {
  const keyed = entriesOf(list).map(([, item]) => ({ item, key: run(item) }));
  return keyed.sort((a, b) => compare(a.key, b.key)).map(({ item }) => item);
});

const optional = (wrap: (value: unknown) => unknown) =>
  oneVariable('optional', 'optional<dyn>', (given, run) => {
    if (!(given instanceof Optional)) throw new Error('receiver must be optional');
    return given.hasValue() ? wrap(run(given.value())) : Optional.none();
  });

/** A macro whose variable is each value in a receiver of this kind. Without `result` it gives what it was given. */
function oneVariable(
  kind: 'list' | 'optional',
  result: string | undefined,
  evaluate: (given: unknown, run: (value: unknown) => unknown) => unknown,
) {
  return ({ receiver, args: [variable, expression] }: Call) => {
    let inner: Scope;
    return {
      async: false,
      typeCheck(checker: Checker, _macro: unknown, scope: Scope) {
        const type = checker.check(receiver, scope);
        const value = type.kind === kind ? type.valueType : checker.getType('dyn');
        inner = scope.forkWithVariable(nameOf(checker, variable!), value);
        checker.check(expression!, inner);
        return result === undefined ? type : checker.getType(result);
      },
      evaluate(evaluator: Evaluator, _macro: unknown, scope: Scope) {
        const run = (value: unknown) => evaluator.run(expression!, inner.reuse(scope).setIterValue(value, evaluator));
        return evaluate(evaluator.run(receiver, scope), run);
      },
    };
  };
}

function entriesOf(value: unknown): readonly Entry[] {
  if (Array.isArray(value)) return value.map((each, index): Entry => [BigInt(index), each]);
  if (value instanceof Map) return [...value];
  if (typeof value === 'object' && value !== null) return Object.entries(value);
  throw new Error('expression is neither a list nor a map');
}

function nameOf(checker: Checker, node: Node): string {
  if (node.op === 'id') return node.args as string;
  throw checker.createError('invalid_macro_argument', 'argument must be a simple name', node);
}
