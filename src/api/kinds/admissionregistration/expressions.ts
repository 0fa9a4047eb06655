import type { Declared, Place } from '../../cel/admission-errors.ts';
import type { FieldError } from '../../kind.ts';
import { invalid } from '../errors.ts';

/** An expression, where it stands and what it is there for. */
export interface PlacedExpression {
  readonly field: string;
  readonly source: string | undefined;
  readonly place: Place;
}

/** What cannot be compiled, or gives something else than its place asks for. */
export async function wrongExpressions(
  expressions: readonly PlacedExpression[],
  declared: Declared,
): Promise<FieldError[]> {
  // The compiler is large, and few objects need it.
  const { expressionErrorOf } = await import('../../cel/admission-errors.ts');
  return expressions.flatMap(({ field, source, place }) => {
    const wrong = source?.trim() ? expressionErrorOf(source, place, declared) : undefined;
    return wrong === undefined ? [] : [invalid(field, source, wrong)];
  });
}
