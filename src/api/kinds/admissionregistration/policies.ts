import type { KubeObject } from '../../types.ts';
import { defineKind } from '../define.ts';
import { invalid, oneOf, required } from '../errors.ts';

interface Rule {
  scope?: string;
}

interface MatchResources {
  matchPolicy?: string;
  namespaceSelector?: object;
  objectSelector?: object;
  resourceRules?: Rule[];
  excludeResourceRules?: Rule[];
}

interface Policy extends KubeObject {
  spec?: {
    failurePolicy?: string;
    matchConstraints?: MatchResources;
    matchConditions?: readonly { readonly expression?: string }[];
    variables?: readonly { readonly expression?: string }[];
    validations?: readonly { readonly expression?: string; readonly messageExpression?: string }[];
  };
}

interface Binding extends KubeObject {
  spec?: { policyName?: string; validationActions?: readonly string[]; matchResources?: MatchResources };
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
  ];
  return found.flatMap(([field, expression]) => (expression ? [[field, expression]] : []));
}

export const validatingAdmissionPolicy = defineKind<Policy>({
  group: 'admissionregistration.k8s.io',
  kind: 'ValidatingAdmissionPolicy',
  plural: 'validatingadmissionpolicies',
  namespaced: false,
  categories: ['api-extensions'],
  hasStatus: true,
  generation: true,
  setDefaults({ spec }) {
    if (!spec) return;
    spec.failurePolicy ??= 'Fail';
    setMatchDefaults(spec.matchConstraints);
  },
  validate({ spec }) {
    const rules = spec?.matchConstraints?.resourceRules ?? [];
    return [
      ...(spec?.matchConstraints ? [] : [required('spec.matchConstraints')]),
      ...(spec?.matchConstraints && rules.length === 0 ? [required('spec.matchConstraints.resourceRules')] : []),
      ...(spec?.validations?.length
        ? []
        : [required('spec.validations', 'validations or auditAnnotations must contain at least one item')]),
      ...oneOf('spec.failurePolicy', spec?.failurePolicy ?? 'Fail', ['Fail', 'Ignore']),
    ];
  },
  async validateRules(policy, _old, subresource) {
    if (subresource === 'status') return [];
    const { admissionErrorOf } = await import('../../cel/admission.ts');
    return expressionsOf(policy).flatMap(([field, expression]) => {
      const wrong = admissionErrorOf(expression);
      return wrong === undefined ? [] : [invalid(field, expression, wrong)];
    });
  },
});

export const validatingAdmissionPolicyBinding = defineKind<Binding>({
  group: 'admissionregistration.k8s.io',
  kind: 'ValidatingAdmissionPolicyBinding',
  plural: 'validatingadmissionpolicybindings',
  namespaced: false,
  categories: ['api-extensions'],
  generation: true,
  setDefaults: ({ spec }) => setMatchDefaults(spec?.matchResources),
  validate({ spec }) {
    const actions = spec?.validationActions ?? [];
    return [
      ...(spec?.policyName ? [] : [required('spec.policyName')]),
      ...(actions.length > 0 ? [] : [required('spec.validationActions')]),
      ...actions.flatMap((action, i) => oneOf(`spec.validationActions[${i}]`, action, ['Audit', 'Deny', 'Warn'])),
    ];
  },
});

export const mutatingAdmissionPolicy = defineKind<KubeObject>({
  group: 'admissionregistration.k8s.io',
  kind: 'MutatingAdmissionPolicy',
  plural: 'mutatingadmissionpolicies',
  namespaced: false,
  categories: ['api-extensions'],
  generation: true,
});

export const mutatingAdmissionPolicyBinding = defineKind<KubeObject>({
  group: 'admissionregistration.k8s.io',
  kind: 'MutatingAdmissionPolicyBinding',
  plural: 'mutatingadmissionpolicybindings',
  namespaced: false,
  categories: ['api-extensions'],
  generation: true,
});
