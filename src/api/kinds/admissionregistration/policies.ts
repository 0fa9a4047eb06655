import type { FieldError } from '../../kind.ts';
import type { KubeObject } from '../../types.ts';
import { all, each, invalid, oneOf, required, sameValue } from '../errors.ts';
import type { PlacedExpression } from './expressions.ts';
import { conditionExpressions, type MatchCondition, validateMatchConditions } from './match-conditions.ts';
import { type MatchResources, setMatchDefaults, validateMatchResources } from './match-resources.ts';
import { type ParamKind, validateParamKind } from './params.ts';

// What both kinds of policies have.

export interface PolicySpec {
  paramKind?: ParamKind;
  failurePolicy?: string;
  matchConstraints?: MatchResources;
  matchConditions?: readonly MatchCondition[];
  variables?: readonly Variable[];
}

interface Variable {
  readonly name?: string;
  readonly expression?: string;
}

interface Policy extends KubeObject {
  spec?: PolicySpec;
}

export function setPolicyDefaults({ spec }: Policy): void {
  if (!spec) return;
  spec.failurePolicy ??= 'Fail';
  setMatchDefaults(spec.matchConstraints);
}

export function validatePolicy({ spec = {} }: Policy, old: Policy | undefined): FieldError[] {
  const { failurePolicy = 'Fail', paramKind, matchConditions = [], variables } = spec;
  return all(
    oneOf('spec.failurePolicy', failurePolicy, ['Fail', 'Ignore']),
    paramKind && validateParamKind(paramKind, 'spec.paramKind'),
    validateConstraints(spec.matchConstraints, 'spec.matchConstraints'),
    !keepsConditions(spec, old) && validateMatchConditions(matchConditions, 'spec.matchConditions'),
    each(variables, 'spec.variables', validateVariable),
  );
}

/** The expressions of {@link PolicySpec}. */
export function policyExpressions({ spec = {} }: Policy, old: Policy | undefined): PlacedExpression[] {
  const { variables = [] } = spec;
  return [
    ...(keepsConditions(spec, old) ? [] : conditionExpressions(spec.matchConditions, 'spec.matchConditions')),
    ...variables.map(
      ({ expression }, index): PlacedExpression => ({
        field: `spec.variables[${index}].expression`,
        source: expression,
        place: 'variable',
      }),
    ),
  ];
}

/** What is stored stays, whatever rules there are by now. */
function keepsConditions(spec: PolicySpec, old: Policy | undefined): boolean {
  if (!old) return false;
  const { paramKind, matchConditions } = old.spec ?? {};
  return sameValue(spec.paramKind, paramKind) && sameValue(spec.matchConditions, matchConditions);
}

function validateConstraints(match: MatchResources | undefined, field: string): FieldError[] {
  if (!match) return [required(field)];
  return all(
    validateMatchResources(match, field),
    !match.resourceRules?.length && [required(`${field}.resourceRules`)],
  );
}

const RESERVED = new Set(
  'true false null in as break const continue else for function if import let loop package namespace return var void while'.split(
    ' ',
  ),
);

function isIdentifier(name: string): boolean {
  return /^[_a-zA-Z][_a-zA-Z0-9]*$/.test(name) && !RESERVED.has(name);
}

function validateVariable({ name = '', expression = '' }: Variable, field: string): FieldError[] {
  return all(
    name.trim() === ''
      ? [required(`${field}.name`, 'name is not specified')]
      : !isIdentifier(name) && [invalid(`${field}.name`, name, 'must be a valid CEL identifier')],
    expression.trim() === '' && [required(`${field}.expression`, 'expression is not specified')],
  );
}
