import type { FieldError } from '../../kind.ts';
import type { KubeObject } from '../../types.ts';
import { ageColumn, integer, nameColumn, text } from '../columns.ts';
import { defineKind } from '../define.ts';
import { all, each, invalid, oneOf, required } from '../errors.ts';
import { type PlacedExpression, wrongExpressions } from './expressions.ts';
import { validateMutated } from './match-resources.ts';
import { paramKindText } from './params.ts';
import { type PolicySpec, policyExpressions, setPolicyDefaults, validatePolicy } from './policies.ts';

interface Mutation {
  patchType?: string;
  applyConfiguration?: { expression?: string };
  jsonPatch?: { expression?: string };
}

interface Policy extends KubeObject {
  spec?: PolicySpec & { mutations?: Mutation[]; reinvocationPolicy?: string };
}

export const reinvocationPolicies = ['IfNeeded', 'Never'];

export const mutatingAdmissionPolicy = defineKind<Policy>({
  group: 'admissionregistration.k8s.io',
  kind: 'MutatingAdmissionPolicy',
  plural: 'mutatingadmissionpolicies',
  namespaced: false,
  needsVersion: true,
  categories: ['api-extensions'],
  generation: true,
  setDefaults: setPolicyDefaults,
  validate: (policy, old) => all(validatePolicy(policy, old), validateMutations(policy)),
  async validateRules(policy, old) {
    const expressions = [...policyExpressions(policy, old), ...mutationExpressions(policy)];
    return wrongExpressions(expressions, { params: policy.spec?.paramKind !== undefined, variables: true });
  },
  columns: [
    nameColumn,
    integer('Mutations', ({ spec }) => (spec?.mutations ?? []).length, 'How many changes it makes.'),
    text('ParamKind', ({ spec }) => paramKindText(spec?.paramKind), 'What its parameters are.'),
    ageColumn,
  ],
});

function validateMutations({ spec = {} }: Policy): FieldError[] {
  const { matchConstraints, mutations = [], reinvocationPolicy } = spec;
  return all(
    matchConstraints && validateMutated(matchConstraints, 'spec.matchConstraints'),
    mutations.length === 0 && [required('spec.mutations', 'mutations must contain at least one item')],
    each(mutations, 'spec.mutations', validateMutation),
    reinvocationPolicy
      ? oneOf('spec.reinvocationPolicy', reinvocationPolicy, reinvocationPolicies)
      : [required('spec.reinvocationPolicy')],
  );
}

/** The field of each patch type, which has its expression. */
const patchFields = { ApplyConfiguration: 'applyConfiguration', JSONPatch: 'jsonPatch' } as const;

const patchFieldOf = (patchType = '') => patchFields[patchType as keyof typeof patchFields];

function validateMutation(mutation: Mutation, field: string): FieldError[] {
  const { patchType = '' } = mutation;
  if (patchType === '') return [required(`${field}.patchType`)];
  const own = patchFieldOf(patchType);
  if (!own) return oneOf(`${field}.patchType`, patchType, Object.keys(patchFields));
  const other = own === 'jsonPatch' ? 'applyConfiguration' : 'jsonPatch';
  return all(
    !mutation[own] && [required(`${field}.${own}`, `must be specified when patchType is ${patchType}`)],
    mutation[own] && !mutation[own].expression?.trim() && [required(`${field}.${own}.expression`)],
    mutation[other] && [
      invalid(`${field}.${other}`, `{${other}}`, `must not be specified when patchType is ${patchType}`),
    ],
  );
}

function mutationExpressions({ spec }: Policy): PlacedExpression[] {
  return (spec?.mutations ?? []).flatMap((mutation, index): PlacedExpression[] => {
    const place = patchFieldOf(mutation.patchType);
    if (!place) return [];
    const source = mutation[place]?.expression?.trim();
    return [{ field: `spec.mutations[${index}].${place}.expression`, source, place }];
  });
}
