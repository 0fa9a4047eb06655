import type { FieldError } from '../../kind.ts';
import type { LabelSelector } from '../../types.ts';
import { all, each, oneOf } from '../errors.ts';
import { validateLabelSelector } from '../label-selector.ts';
import { type NamedRule, setRuleDefaults, validateNamedRule } from './rules.ts';

/** Which requests a policy or its binding is about. */
export interface MatchResources {
  matchPolicy?: string;
  namespaceSelector?: LabelSelector;
  objectSelector?: LabelSelector;
  resourceRules?: readonly NamedRule[];
  excludeResourceRules?: readonly NamedRule[];
}

export const matchPolicies = ['Equivalent', 'Exact'];

export function setMatchDefaults(match: MatchResources | undefined): void {
  if (!match) return;
  match.matchPolicy ??= 'Equivalent';
  match.namespaceSelector ??= {};
  match.objectSelector ??= {};
  setRuleDefaults(match.resourceRules);
  setRuleDefaults(match.excludeResourceRules);
}

/** Nothing else has an object that could be another one. */
export function validateMutated({ resourceRules = [] }: MatchResources, field: string): FieldError[] {
  const operations = resourceRules.flatMap((rule) => rule.operations ?? []);
  return operations.flatMap((operation) =>
    oneOf(`${field}.resourceRules.operations`, operation, ['*', 'CONNECT', 'CREATE', 'UPDATE']),
  );
}

export function validateMatchResources(match: MatchResources, field: string): FieldError[] {
  return all(
    oneOf(`${field}.matchPolicy`, match.matchPolicy, matchPolicies),
    validateLabelSelector(match.namespaceSelector, `${field}.namespaceSelector`),
    validateLabelSelector(match.objectSelector, `${field}.objectSelector`),
    each(match.resourceRules, `${field}.resourceRules`, validateNamedRule),
    each(match.excludeResourceRules, `${field}.excludeResourceRules`, validateNamedRule),
  );
}
