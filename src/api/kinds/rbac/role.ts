import type { FieldError } from '../../kind.ts';
import type { ClusterRole, Role } from '../../types.ts';
import { createdColumn, nameColumn } from '../columns.ts';
import { defineKind } from '../define.ts';
import { each, invalid, required } from '../errors.ts';
import { validateLabelSelector } from '../label-selector.ts';
import { pathSegment } from '../names.ts';

type Rule = NonNullable<Role['rules']>[number];

export const role = defineKind<Role>({
  group: 'rbac.authorization.k8s.io',
  kind: 'Role',
  plural: 'roles',
  namespaced: true,
  createdByPut: true,
  nameRule: pathSegment,
  validate: ({ rules }) => validateRules(rules ?? [], true),
  columns: [nameColumn, createdColumn],
});

export const clusterRole = defineKind<ClusterRole>({
  group: 'rbac.authorization.k8s.io',
  kind: 'ClusterRole',
  plural: 'clusterroles',
  namespaced: false,
  createdByPut: true,
  nameRule: pathSegment,
  validate({ rules, aggregationRule }): FieldError[] {
    const selectors = aggregationRule?.clusterRoleSelectors ?? [];
    const at = 'aggregationRule.clusterRoleSelectors';
    return [
      ...validateRules(rules ?? [], false),
      ...(aggregationRule && selectors.length === 0
        ? [required(at, 'at least one clusterRoleSelector required if aggregationRule is non-nil')]
        : []),
      ...each(selectors, at, (selector, field) => {
        // Kubernetes shows what came of reading it: nothing.
        const wrong = validateLabelSelector(selector, field);
        if (wrong.length === 0) return [];
        return [...wrong, invalid(field, null, 'invalid label selector.')];
      }),
    ];
  },
  columns: [nameColumn, createdColumn],
});

function validateRules(rules: readonly Rule[], namespaced: boolean): FieldError[] {
  return rules.flatMap((rule, i) => validateRule(rule, `rules[${i}]`, namespaced));
}

function validateRule(rule: Rule, field: string, namespaced: boolean): FieldError[] {
  const errors = rule.verbs?.length ? [] : [required(`${field}.verbs`, 'verbs must contain at least one value')];
  if (rule.nonResourceURLs?.length) return [...errors, ...validateUrlRule(rule, field, namespaced)];
  if (!rule.apiGroups?.length) {
    errors.push(required(`${field}.apiGroups`, 'resource rules must supply at least one api group'));
  }
  if (!rule.resources?.length) {
    errors.push(required(`${field}.resources`, 'resource rules must supply at least one resource'));
  }
  return errors;
}

function validateUrlRule(rule: Rule, field: string, namespaced: boolean): FieldError[] {
  const at = `${field}.nonResourceURLs`;
  const mixed = [rule.apiGroups, rule.resources, rule.resourceNames].some((list) => list?.length);
  return [
    ...(namespaced ? [invalid(at, rule.nonResourceURLs, 'namespaced rules cannot apply to non-resource URLs')] : []),
    ...(mixed
      ? [invalid(at, rule.nonResourceURLs, 'rules cannot apply to both regular resources and non-resource URLs')]
      : []),
  ];
}
