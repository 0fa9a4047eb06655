import type { FieldError } from '../kind.ts';
import { forbidden } from '../kinds/errors.ts';
import type { Expression } from './expression.ts';
import { times } from './function-costs.ts';
import type { SizedType } from './sizes.ts';

/** What one expression may cost by estimate, and all of a schema (apiextensions' StaticEstimatedCostLimit and …CRDCostLimit). */
const EXPRESSION_LIMIT = 10_000_000;
const SCHEMA_LIMIT = 100_000_000;
/** How many of the dearest expressions are told of. */
const TOLD = 4;

/** A rule's expressions, where they compile. */
interface Expressions {
  readonly condition: Expression | undefined;
  readonly message: Expression | undefined;
}

/** Adds up what the rules of a schema cost at the most. */
export class SchemaCosts {
  #total = 0;
  readonly #dear: { readonly path: string; readonly cost: number }[] = [];

  /** What is too dear of a rule at `path`, of which an object may have `most` values. */
  add({ condition, message }: Expressions, path: string, self: SizedType, most: number): FieldError[] {
    // A message is made once, for what breaks the rule.
    return [
      ...this.#note(`${path}.rule`, 'estimated rule cost', times(condition?.cost(self) ?? 0, most)),
      ...this.#note(`${path}.messageExpression`, 'estimated messageExpression cost', message?.cost(self) ?? 0),
    ];
  }

  /** What is too dear of all that was added, of the schema at `path`. */
  errors(path: string): FieldError[] {
    if (this.#total <= SCHEMA_LIMIT) return [];
    const dearest = this.#dear.toSorted((a, b) => b.cost - a.cost).slice(0, TOLD);
    const reason = 'contributed to estimated rule cost total exceeding cost limit for entire OpenAPIv3 schema';
    const what = 'x-kubernetes-validations estimated rule cost total for entire OpenAPIv3 schema';
    return [
      ...dearest.map((each) => forbidden(each.path, reason)),
      forbidden(path, tooDear(what, this.#total, SCHEMA_LIMIT)),
    ];
  }

  #note(path: string, what: string, cost: number): FieldError[] {
    this.#total += cost;
    if (cost >= SCHEMA_LIMIT / 100) this.#dear.push({ path, cost });
    return cost > EXPRESSION_LIMIT ? [forbidden(path, tooDear(what, cost, EXPRESSION_LIMIT))] : [];
  }
}

function tooDear(what: string, cost: number, limit: number): string {
  const factor = cost / limit;
  const shown = factor > 100 ? 'more than 100x' : `${factor.toFixed(factor < 1.5 ? 6 : 1)}x`;
  const advice =
    'try simplifying the rule, or adding maxItems, maxProperties, and maxLength where arrays, maps, and strings are declared';
  return `${what} exceeds budget by factor of ${shown} (${advice})`;
}
