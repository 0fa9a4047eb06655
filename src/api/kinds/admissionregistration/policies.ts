import type { Column, FieldError } from '../../kind.ts';
import type { KubeObject } from '../../types.ts';
import { ageColumn, integer, nameColumn, text } from '../columns.ts';
import { allMetadata, defineKind } from '../define.ts';
import { invalid, oneOf, required } from '../errors.ts';
import { selectorInGoText } from '../label-selector.ts';
import { validateConditions } from '../status.ts';
import {
  type BindingParts,
  type MatchResources,
  type PolicyParts,
  validateActions,
  validateAuditAnnotations,
  validateBindingParts,
  validateMatchResources,
  validateValidations,
  validateVariables,
} from './policy-parts.ts';
import { validateMatchConditions } from './webhooks.ts';

interface Policy extends KubeObject {
  spec?: PolicyParts & {
    paramKind?: { readonly apiVersion?: string; readonly kind?: string };
    failurePolicy?: string;
    matchConstraints?: MatchResources;
    matchConditions?: readonly { readonly name?: string; readonly expression?: string }[];
  };
  status?: { conditions?: readonly object[] };
}

interface Binding extends KubeObject {
  spec?: BindingParts;
}

function setMatchDefaults(match: MatchResources | undefined): void {
  if (!match) return;
  match.matchPolicy ??= 'Equivalent';
  match.namespaceSelector ??= {};
  match.objectSelector ??= {};
  for (const rule of [...(match.resourceRules ?? []), ...(match.excludeResourceRules ?? [])]) rule.scope ??= '*';
}

/** Every expression of a policy, and where it stands. */
function expressionsOf({ spec }: Policy): [field: string, expression: string][] {
  const found: [string, string | undefined][] = [
    ...(spec?.matchConditions ?? []).map(({ expression }, i): [string, string | undefined] => [
      `spec.matchConditions[${i}].expression`,
      expression,
    ]),
    ...(spec?.variables ?? []).map(({ expression }, i): [string, string | undefined] => [
      `spec.variables[${i}].expression`,
      expression,
    ]),
    ...(spec?.validations ?? []).flatMap((each, i): [string, string | undefined][] => [
      [`spec.validations[${i}].expression`, each.expression],
      [`spec.validations[${i}].messageExpression`, each.messageExpression],
    ]),
    ...(spec?.auditAnnotations ?? []).map(({ valueExpression }, i): [string, string | undefined] => [
      `spec.auditAnnotations[${i}].valueExpression`,
      valueExpression,
    ]),
  ];
  return found.flatMap(([field, expression]) => (expression ? [[field, expression]] : []));
}

function wrongExpressions(
  expressions: readonly [field: string, expression: string][],
  errorOf: (expression: string) => string | undefined,
): FieldError[] {
  return expressions.flatMap(([field, expression]) => {
    const wrong = errorOf(expression);
    return wrong === undefined ? [] : [invalid(field, expression, wrong)];
  });
}

function paramKindOf({ spec }: Policy | MutatingPolicy): string {
  return spec?.paramKind ? `${spec.paramKind.apiVersion ?? ''}/${spec.paramKind.kind ?? ''}` : '<unset>';
}

const bindingColumns: readonly Column<Binding>[] = [
  nameColumn,
  text('PolicyName', ({ spec }) => spec?.policyName ?? '', 'What it puts into force.'),
  text('ParamRef', paramsOf, 'Which parameters it has.'),
  ageColumn,
];

function paramsOf({ spec }: Binding): string {
  const { name, namespace, selector } = spec?.paramRef ?? {};
  if (name) return `${namespace || '*'}/${name}`;
  return selector ? selectorInGoText(selector) : '<unset>';
}

export const validatingAdmissionPolicy = defineKind<Policy>({
  group: 'admissionregistration.k8s.io',
  kind: 'ValidatingAdmissionPolicy',
  plural: 'validatingadmissionpolicies',
  namespaced: false,
  keptByStatus: allMetadata,
  needsVersion: true,
  categories: ['api-extensions'],
  hasStatus: true,
  generation: true,
  setDefaults({ spec }) {
    if (!spec) return;
    spec.failurePolicy ??= 'Fail';
    setMatchDefaults(spec.matchConstraints);
  },
  validate({ metadata, spec, status }, _old, subresource) {
    if (subresource === 'status') return validateConditions(status?.conditions, 'status.conditions');
    const rules = spec?.matchConstraints?.resourceRules ?? [];
    const nothing = 'validations or auditAnnotations must contain at least one item';
    return [
      ...validateMatchResources(spec?.matchConstraints, 'spec.matchConstraints'),
      ...validateMatchConditions('spec.matchConditions', spec?.matchConditions ?? []),
      ...validateVariables(spec ?? {}),
      ...validateValidations(spec ?? {}),
      ...validateAuditAnnotations(spec ?? {}, metadata?.name ?? ''),
      ...(spec?.matchConstraints ? [] : [required('spec.matchConstraints')]),
      ...(spec?.matchConstraints && rules.length === 0 ? [required('spec.matchConstraints.resourceRules')] : []),
      ...(spec?.validations?.length || spec?.auditAnnotations?.length
        ? []
        : [required('spec.validations', nothing), required('spec.auditAnnotations', nothing)]),
      ...oneOf('spec.failurePolicy', spec?.failurePolicy ?? 'Fail', ['Fail', 'Ignore']),
    ];
  },
  async validateRules(policy, _old, subresource) {
    if (subresource === 'status') return [];
    const { admissionErrorOf } = await import('../../cel/admission.ts');
    return wrongExpressions(expressionsOf(policy), admissionErrorOf);
  },
  columns: [
    nameColumn,
    integer('Validations', ({ spec }) => (spec?.validations ?? []).length, 'How many rules it has.'),
    text('ParamKind', paramKindOf, 'What its parameters are.'),
    ageColumn,
  ],
});

export const validatingAdmissionPolicyBinding = defineKind<Binding>({
  group: 'admissionregistration.k8s.io',
  kind: 'ValidatingAdmissionPolicyBinding',
  plural: 'validatingadmissionpolicybindings',
  namespaced: false,
  needsVersion: true,
  categories: ['api-extensions'],
  generation: true,
  setDefaults: ({ spec }) => setMatchDefaults(spec?.matchResources),
  validate: ({ spec = {} }) => [...validateBindingParts(spec), ...validateActions(spec)],
  columns: bindingColumns,
});

interface Mutation {
  patchType?: string;
  applyConfiguration?: { expression?: string };
  jsonPatch?: { expression?: string };
}

interface MutatingPolicy extends KubeObject {
  spec?: Omit<NonNullable<Policy['spec']>, 'validations'> & { mutations?: Mutation[]; reinvocationPolicy?: string };
}

/** The field of each patch type, and its expression. */
const patchFields = { ApplyConfiguration: 'applyConfiguration', JSONPatch: 'jsonPatch' } as const;

function validateMutation(mutation: Mutation, field: string): FieldError[] {
  const { patchType = '' } = mutation;
  if (patchType === '') return [required(`${field}.patchType`)];
  if (patchType !== 'ApplyConfiguration' && patchType !== 'JSONPatch') {
    return oneOf(`${field}.patchType`, patchType, Object.keys(patchFields));
  }
  const own = patchFields[patchType];
  const other = own === 'jsonPatch' ? 'applyConfiguration' : 'jsonPatch';
  return [
    ...(mutation[own] ? [] : [required(`${field}.${own}`, `must be specified when patchType is ${patchType}`)]),
    ...(mutation[own] && !mutation[own].expression?.trim() ? [required(`${field}.${own}.expression`)] : []),
    ...(mutation[other]
      ? [invalid(`${field}.${other}`, `{${other}}`, `must not be specified when patchType is ${patchType}`)]
      : []),
  ];
}

const mutationsOf = ({ spec }: MutatingPolicy): [field: string, expression: string][] =>
  (spec?.mutations ?? []).flatMap((mutation, index) =>
    Object.values(patchFields).flatMap((field): [string, string][] => {
      const expression = mutation[field]?.expression;
      return expression ? [[`spec.mutations[${index}].${field}.expression`, expression]] : [];
    }),
  );

export const mutatingAdmissionPolicy = defineKind<MutatingPolicy>({
  group: 'admissionregistration.k8s.io',
  kind: 'MutatingAdmissionPolicy',
  plural: 'mutatingadmissionpolicies',
  namespaced: false,
  needsVersion: true,
  categories: ['api-extensions'],
  generation: true,
  setDefaults({ spec }) {
    if (!spec) return;
    spec.failurePolicy ??= 'Fail';
    setMatchDefaults(spec.matchConstraints);
  },
  validate({ spec }) {
    const constraints = spec?.matchConstraints;
    const rules = constraints?.resourceRules ?? [];
    const operations = rules.flatMap((rule) => rule.operations ?? []);
    return [
      ...oneOf('spec.failurePolicy', spec?.failurePolicy ?? 'Fail', ['Fail', 'Ignore']),
      ...(constraints ? [] : [required('spec.matchConstraints')]),
      ...(constraints && rules.length === 0 ? [required('spec.matchConstraints.resourceRules')] : []),
      // Nothing else has an object that could be another one.
      ...operations.flatMap((operation) =>
        oneOf('spec.matchConstraints.resourceRules.operations', operation, ['*', 'CONNECT', 'CREATE', 'UPDATE']),
      ),
      ...(spec?.mutations?.length
        ? spec.mutations.flatMap((mutation, index) => validateMutation(mutation, `spec.mutations[${index}]`))
        : [required('spec.mutations', 'mutations must contain at least one item')]),
      ...(spec?.reinvocationPolicy
        ? oneOf('spec.reinvocationPolicy', spec.reinvocationPolicy, ['IfNeeded', 'Never'])
        : [required('spec.reinvocationPolicy')]),
    ];
  },
  async validateRules(policy) {
    const { admissionErrorOf, mutationErrorOf } = await import('../../cel/admission.ts');
    return [
      ...wrongExpressions(expressionsOf(policy), admissionErrorOf),
      ...wrongExpressions(mutationsOf(policy), mutationErrorOf),
    ];
  },
  columns: [
    nameColumn,
    integer('Mutations', ({ spec }) => (spec?.mutations ?? []).length, 'How many changes it makes.'),
    text('ParamKind', paramKindOf, 'What its parameters are.'),
    ageColumn,
  ],
});

export const mutatingAdmissionPolicyBinding = defineKind<Binding>({
  group: 'admissionregistration.k8s.io',
  kind: 'MutatingAdmissionPolicyBinding',
  plural: 'mutatingadmissionpolicybindings',
  namespaced: false,
  needsVersion: true,
  categories: ['api-extensions'],
  generation: true,
  setDefaults: ({ spec }) => setMatchDefaults(spec?.matchResources),
  validate: ({ spec = {} }) => validateBindingParts(spec),
  columns: bindingColumns,
});
