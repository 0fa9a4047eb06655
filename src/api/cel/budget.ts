import type { Environment } from '@marcbachmann/cel-js';
import type { Checker, Evaluator } from './macro.ts';

/** What one expression may cost, and all rules of one object: Kubernetes' PerCallLimit and RuntimeCELCostBudget. */
export const CALL_LIMIT = 1_000_000;
export const OBJECT_LIMIT = 10_000_000;

/** An expression that would keep the server busy: nested loops over long lists, mostly. */
export class CostExceeded extends Error {
  constructor() {
    super('operation cancelled: actual cost limit exceeded');
    this.name = 'CostExceeded';
  }
}

let left = Number.POSITIVE_INFINITY;

/**
 * Runs `work`, whose evaluations together may cost `limit`: one for each node of an expression, each time that it is
 * evaluated. Limits may stand in one another.
 *
 * @throws CostExceeded
 */
export function limited<T>(limit: number, work: () => T): T {
  const outer = left;
  const own = Math.min(limit, outer);
  left = own;
  try {
    const result = work();
    // An "or" may have taken the error for a false.
    if (left < 0) throw new CostExceeded();
    return result;
  } finally {
    left = outer - (own - left);
  }
}

/**
 * Counts what is evaluated. The library has no limit of its own and shows its evaluator to macros only; all nodes but
 * the outermost are evaluated by its `run`.
 */
export function countEvaluations(env: Environment): void {
  const finder = env.clone();
  finder.registerFunction('FIND(ast): bool', ({ args }: { readonly args: unknown }) => ({
    args,
    async: false,
    typeCheck: (checker: Checker) => checker.getType('bool'),
    evaluate(evaluator: Evaluator) {
      count(Object.getPrototypeOf(evaluator));
      return true;
    },
  }));
  finder.evaluate('FIND(true)');
}

function count(evaluator: Evaluator): void {
  const { run } = evaluator;
  evaluator.run = function (node, scope) {
    if (--left < 0) throw new CostExceeded();
    return run.call(this, node, scope);
  };
}
