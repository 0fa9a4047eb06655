import type { Column, FieldError } from '../../kind.ts';
import type { KubeObject } from '../../types.ts';
import { ageColumn, nameColumn, text } from '../columns.ts';
import { defineKind } from '../define.ts';
import { all, duplicate, each, invalid, named, oneOf, required } from '../errors.ts';
import { dnsSubdomain } from '../names.ts';
import { type MatchResources, setMatchDefaults, validateMatchResources, validateMutated } from './match-resources.ts';
import { type ParamRef, paramRefText, validateParamRef } from './params.ts';

interface Binding extends KubeObject {
  spec?: {
    policyName?: string;
    paramRef?: ParamRef;
    validationActions?: readonly string[];
    matchResources?: MatchResources;
  };
}

const columns: readonly Column<Binding>[] = [
  nameColumn,
  text('PolicyName', ({ spec }) => spec?.policyName ?? '', 'What it puts into force.'),
  text('ParamRef', ({ spec }) => paramRefText(spec?.paramRef), 'Which parameters it has.'),
  ageColumn,
];

/** What both kinds of bindings have. */
function validateBinding({ spec = {} }: Binding): FieldError[] {
  const { policyName, paramRef, matchResources } = spec;
  return all(
    named('spec.policyName', policyName, dnsSubdomain),
    paramRef && validateParamRef(paramRef, 'spec.paramRef'),
    matchResources && validateMatchResources(matchResources, 'spec.matchResources'),
  );
}

const DENY_AND_WARN =
  'must not contain both Deny and Warn (repeating the same validation failure information in the API response and headers serves no purpose)';

function validateActions(actions: readonly string[], field: string): FieldError[] {
  if (actions.length === 0) return [required(field, 'at least one validation action is required')];
  return all(
    each(actions, field, (action, path, index) =>
      all(oneOf(path, action, ['Audit', 'Deny', 'Warn']), actions.indexOf(action) < index && [duplicate(path, action)]),
    ),
    actions.includes('Deny') && actions.includes('Warn') && [invalid(field, actions, DENY_AND_WARN)],
  );
}

export const validatingAdmissionPolicyBinding = defineKind<Binding>({
  group: 'admissionregistration.k8s.io',
  kind: 'ValidatingAdmissionPolicyBinding',
  plural: 'validatingadmissionpolicybindings',
  namespaced: false,
  needsVersion: true,
  categories: ['api-extensions'],
  generation: true,
  setDefaults: ({ spec }) => setMatchDefaults(spec?.matchResources),
  validate: (binding) =>
    all(validateBinding(binding), validateActions(binding.spec?.validationActions ?? [], 'spec.validationActions')),
  columns,
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
  validate: (binding) => {
    const { matchResources } = binding.spec ?? {};
    return all(validateBinding(binding), matchResources && validateMutated(matchResources, 'spec.matchResources'));
  },
  columns,
});
