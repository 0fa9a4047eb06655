import type { FieldError } from '../../kind.ts';
import type { ResourceQuota } from '../../types.ts';
import { all, invalid, required } from '../errors.ts';
import { isQuotaResource } from '../resource-names.ts';

type Spec = NonNullable<ResourceQuota['spec']>;
type Requirement = NonNullable<NonNullable<Spec['scopeSelector']>['matchExpressions']>[number];

const ofPods = ['pods'];
const ofCompute = [...ofPods, ...['', 'limits.', 'requests.'].flatMap((prefix) => [`${prefix}cpu`, `${prefix}memory`])];

/** What can be counted within each scope, of the resources that Kubernetes knows. */
const resourcesOf: Readonly<Record<string, readonly string[]>> = {
  BestEffort: ofPods,
  CrossNamespacePodAffinity: ofCompute,
  NotBestEffort: ofCompute,
  NotTerminating: ofCompute,
  PriorityClass: ofCompute,
  Terminating: ofCompute,
  VolumeAttributesClass: ['persistentvolumeclaims', 'requests.storage'],
};
const opposites = [
  ['BestEffort', 'NotBestEffort'],
  ['Terminating', 'NotTerminating'],
] as const;
/** A pod is of these or is not: there is no value to compare. */
const withoutValues = ['BestEffort', 'NotBestEffort', 'Terminating', 'NotTerminating', 'CrossNamespacePodAffinity'];

/** The pods and claims that a quota counts: both ways of saying it. */
export function validateScopes(spec: Spec, field: string): FieldError[] {
  const scopes = spec.scopes ?? [];
  const requirements = spec.scopeSelector?.matchExpressions ?? [];
  const at = `${field}.scopeSelector.matchExpressions`;
  const names = Object.keys(spec.hard ?? {});
  return all(
    scopes.flatMap((scope) => validateScope(scope, names, scopes, `${field}.scopes`, `${field}.scopes`, scopes)),
    validateOpposites(scopes, scopes, `${field}.scopes`),
    requirements.flatMap((requirement) => [
      ...validateScope(requirement.scopeName, names, inGo(requirements), at, `${at}.scopeName`),
      ...validateRequirement(requirement, at),
    ]),
    validateOpposites(
      requirements.map(({ scopeName }) => scopeName),
      spec.scopes ?? null,
      at,
    ),
  );
}

function validateScope(
  scope = '',
  names: readonly string[],
  shown: unknown,
  field: string,
  scopeField: string,
  shownScope: unknown = scope,
): FieldError[] {
  const allowed = resourcesOf[scope];
  if (!allowed) return [invalid(scopeField, shownScope, 'unsupported scope')];
  return names
    .filter((name) => isQuotaResource(name) && !allowed.includes(name))
    .map(() => invalid(field, shown, 'unsupported scope applied to resource'));
}

function validateOpposites(scopes: readonly string[], shown: unknown, field: string): FieldError[] {
  return opposites
    .filter((pair) => pair.every((scope) => scopes.includes(scope)))
    .map(() => invalid(field, shown, 'conflicting scopes'));
}

function validateRequirement({ scopeName = '', operator = '', values = [] }: Requirement, field: string): FieldError[] {
  const onlyExists =
    "must be 'Exists' when scope is any of ResourceQuotaScopeTerminating, ResourceQuotaScopeNotTerminating, ResourceQuotaScopeBestEffort, ResourceQuotaScopeNotBestEffort or ResourceQuotaScopeCrossNamespacePodAffinity";
  return all(
    withoutValues.includes(scopeName) && operator !== 'Exists' && [invalid(`${field}.operator`, operator, onlyExists)],
    validateOperator(operator, values, field),
  );
}

function validateOperator(operator: string, values: readonly string[], field: string): FieldError[] {
  switch (operator) {
    case 'In':
    case 'NotIn':
      if (values.length > 0) return [];
      return [
        required(`${field}.values`, "must be at least one value when `operator` is 'In' or 'NotIn' for scope selector"),
      ];
    case 'Exists':
    case 'DoesNotExist':
      if (values.length === 0) return [];
      return [
        invalid(
          `${field}.values`,
          values,
          "must be no value when `operator` is 'Exist' or 'DoesNotExist' for scope selector",
        ),
      ];
    default:
      return [invalid(`${field}.operator`, operator, 'not a valid selector operator')];
  }
}

/** A selector as Go's JSON shows it in messages. */
function inGo(requirements: readonly Requirement[]): object {
  return {
    MatchExpressions: requirements.map(({ scopeName = '', operator = '', values }) => ({
      ScopeName: scopeName,
      Operator: operator,
      Values: values ?? null,
    })),
  };
}
