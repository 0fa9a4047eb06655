import type { FieldError } from '../../kind.ts';
import { all, duplicate, each, invalid, oneOf, required, ruled } from '../errors.ts';
import { pathSegment } from '../names.ts';

/** Which requests a webhook or a policy is about. */
export interface Rule {
  operations?: readonly string[];
  apiGroups?: readonly string[];
  apiVersions?: readonly string[];
  // `pods`, `pods/status`, `*`, `pods/*`, `*/status`
  resources?: readonly string[];
  scope?: string;
}

/** A rule of a policy may also say which objects it is about. */
export interface NamedRule extends Rule {
  resourceNames?: readonly string[];
}

export function setRuleDefaults(rules: readonly Rule[] | undefined): void {
  for (const rule of rules ?? []) rule.scope ??= '*';
}

const operationNames = ['*', 'CONNECT', 'CREATE', 'DELETE', 'UPDATE'];

export function validateRule(rule: Rule, field: string): FieldError[] {
  const { operations, apiGroups, apiVersions, resources = [] } = rule;
  return all(
    validateList(operations, `${field}.operations`, 'operations'),
    each(operations, `${field}.operations`, (operation, path) => oneOf(path, operation, operationNames)),
    // An empty group is the core one.
    validateList(apiGroups, `${field}.apiGroups`, 'API groups'),
    validateList(apiVersions, `${field}.apiVersions`, 'API versions'),
    each(apiVersions, `${field}.apiVersions`, (version, path) => (version === '' ? [required(path)] : [])),
    validateResources(resources, `${field}.resources`),
    rule.scope !== undefined && oneOf(`${field}.scope`, rule.scope, ['*', 'Cluster', 'Namespaced']),
  );
}

export function validateNamedRule(rule: NamedRule, field: string): FieldError[] {
  const names = rule.resourceNames ?? [];
  return all(
    each(names, `${field}.resourceNames`, (name, path, index) =>
      all(ruled(path, name, pathSegment), names.indexOf(name) < index && [duplicate(path, name)]),
    ),
    validateRule(rule, field),
  );
}

/** There is something in it, and nothing beside a wildcard. */
function validateList(list: readonly string[] = [], field: string, what: string): FieldError[] {
  if (list.length === 0) return [required(field)];
  if (list.length === 1 || !list.includes('*')) return [];
  return [invalid(field, list, `if '*' is present, must not specify other ${what}`)];
}

function validateResources(resources: readonly string[], field: string): FieldError[] {
  if (resources.length === 0) return [required(field)];
  const errors = each(resources, field, (resource, path, index) =>
    resource === '' ? [required(path)] : faultsOfResource(resource, resources.slice(0, index), path),
  );
  if (resources.length > 1 && resources.includes('*/*')) {
    errors.push(invalid(field, resources, "if '*/*' is present, must not specify other resources"));
  }
  // Kubernetes looks at the last one without a subresource only.
  const last = resources.findLast((resource) => resource !== '' && !resource.includes('/'));
  if (resources.includes('*') && last !== '*') {
    const detail = "if '*' is present, must not specify other resources without subresources";
    errors.push(invalid(field, resources, detail));
  }
  return errors;
}

/** A subresource that an earlier wildcard has named already. */
function faultsOfResource(resource: string, earlier: readonly string[], field: string): FieldError[] {
  const slash = resource.indexOf('/');
  if (slash < 0) return [];
  const wildcards = [`${resource.slice(0, slash)}/*`, `*/${resource.slice(slash + 1)}`];
  return wildcards
    .filter((wildcard) => earlier.includes(wildcard))
    .map((wildcard) => invalid(field, resource, `if '${wildcard}' is present, must not specify ${resource}`));
}
