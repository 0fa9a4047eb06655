import type { FieldError } from '../../kind.ts';
import { all, each, invalid, notSupported, oneOf, required } from '../errors.ts';

/** Which requests somebody wants to be asked about. */
export interface OperationRule {
  readonly operations?: readonly string[];
  readonly apiGroups?: readonly string[];
  readonly apiVersions?: readonly string[];
  readonly resources?: readonly string[];
  readonly scope?: string;
}

const operations = ['*', 'CONNECT', 'CREATE', 'DELETE', 'UPDATE'];

export function validateOperationRule(rule: OperationRule, at: string): FieldError[] {
  const { apiVersions, resources = [], scope } = rule;
  return all(
    validateList(rule.operations, `${at}.operations`, 'operations'),
    each(rule.operations, `${at}.operations`, (operation, field) =>
      operations.includes(operation) ? [] : [notSupported(field, operation, operations)],
    ),
    validateList(rule.apiGroups, `${at}.apiGroups`, 'API groups'),
    validateList(apiVersions, `${at}.apiVersions`, 'API versions'),
    each(apiVersions, `${at}.apiVersions`, (version, field) => (version === '' ? [required(field)] : [])),
    validateResources(resources, `${at}.resources`),
    scope !== undefined && oneOf(`${at}.scope`, scope, ['*', 'Cluster', 'Namespaced']),
  );
}

function validateList(items: readonly string[] = [], field: string, what: string): FieldError[] {
  if (items.length === 0) return [required(field)];
  if (items.length === 1 || !items.includes('*')) return [];
  return [invalid(field, items, `if '*' is present, must not specify other ${what}`)];
}

/** Resources and their subresources; who names all of a kind names none of them beside it. */
function validateResources(resources: readonly string[], field: string): FieldError[] {
  const parts = resources.map((resource) => resource.split('/', 2));
  const plain = resources.some((resource) => resource !== '' && resource !== '*' && !resource.includes('/'));
  const isBefore = (index: number, wanted: string) => resources.slice(0, index).includes(wanted);
  return all(
    resources.length === 0 && [required(field)],
    each(resources, field, (resource, at, i) => {
      if (resource === '') return [required(at)];
      const [name = '', sub] = parts[i] ?? [];
      if (sub === undefined) return [];
      return all(
        isBefore(i, `${name}/*`) && [invalid(at, resource, `if '${name}/*' is present, must not specify ${resource}`)],
        isBefore(i, `*/${sub}`) && [invalid(at, resource, `if '*/${sub}' is present, must not specify ${resource}`)],
      );
    }),
    resources.length > 1 &&
      resources.includes('*/*') && [invalid(field, resources, "if '*/*' is present, must not specify other resources")],
    resources.includes('*') &&
      plain && [invalid(field, resources, "if '*' is present, must not specify other resources without subresources")],
  );
}
