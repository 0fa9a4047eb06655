import type { FieldError } from '../../kind.ts';
import { all, duplicate, each, named, required, tooMany } from '../errors.ts';
import { qualifiedName } from '../names.ts';
import type { PlacedExpression } from './expressions.ts';

/** What else must hold for a webhook or a policy to be asked. */
export interface MatchCondition {
  name?: string;
  expression?: string;
}

const MAX_CONDITIONS = 64;

export function validateMatchConditions(conditions: readonly MatchCondition[], field: string): FieldError[] {
  return all(
    conditions.length > MAX_CONDITIONS && [tooMany(field, conditions.length, MAX_CONDITIONS)],
    each(conditions, field, ({ name, expression }, path, index) =>
      all(
        !expression?.trim() && [required(`${path}.expression`)],
        named(`${path}.name`, name, qualifiedName),
        name && conditions.findIndex((each) => each.name === name) < index && [duplicate(`${path}.name`, name)],
      ),
    ),
  );
}

export function conditionExpressions(
  conditions: readonly MatchCondition[] | undefined,
  field: string,
): PlacedExpression[] {
  return (conditions ?? []).map(({ expression }, index) => ({
    field: `${field}[${index}].expression`,
    source: expression?.trim(),
    place: 'matchCondition',
  }));
}
