import type { FieldError } from '../../kind.ts';
import type { LimitRange, ResourceQuota } from '../../types.ts';
import { ageColumn, createdColumn, nameColumn, text } from '../columns.ts';
import { defineKind } from '../define.ts';
import { all, duplicate, each, forbidden, invalid, required, ruled } from '../errors.ts';
import { qualifiedName } from '../names.ts';
import { amountOf, validateAmount } from '../podspec/resources.ts';
import {
  isCounted,
  mayOvercommit,
  validateContainerResourceName,
  validateQuotaResourceName,
  validateResourceName,
} from '../resource-names.ts';
import { validateScopes } from './quota-scopes.ts';

type Limit = NonNullable<LimitRange['spec']>['limits'][number];
type Amounts = Record<string, string>;
type Group = 'max' | 'min' | 'default' | 'defaultRequest' | 'maxLimitRequestRatio';

/** One of what is counted, in the billionths that amounts are kept in. */
const one = 1_000_000_000n;
const limitTypes = ['Container', 'PersistentVolumeClaim', 'Pod'];
const limitsOfPods: readonly Group[] = ['max', 'min', 'maxLimitRequestRatio'];
const limitsOfAll: readonly Group[] = ['max', 'min', 'default', 'defaultRequest', 'maxLimitRequestRatio'];

export const resourceQuota = defineKind<ResourceQuota>({
  group: '',
  kind: 'ResourceQuota',
  plural: 'resourcequotas',
  namespaced: true,
  shortNames: ['quota'],
  hasStatus: true,
  initialStatus: {},
  validate({ spec, status }, old): FieldError[] {
    return [
      ...validateQuantities(spec?.hard, 'spec.hard'),
      ...validateScopes(spec ?? {}, 'spec'),
      ...validateQuantities(status?.hard, 'status.hard'),
      ...validateQuantities(status?.used, 'status.used'),
      ...(old ? validateScopesStay(spec?.scopes ?? [], old.spec?.scopes ?? []) : []),
    ];
  },
  columns: [
    nameColumn,
    text(
      'Request',
      (one) => usage(one, (name) => !name.startsWith('limits.')),
      'What is requested, of what is allowed.',
    ),
    text(
      'Limit',
      (one) => usage(one, (name) => name.startsWith('limits.')),
      'Limits taken together, of what is allowed.',
    ),
    ageColumn,
  ],
});

function validateScopesStay(scopes: readonly string[], old: readonly string[]): FieldError[] {
  const [now, before] = [new Set(scopes), new Set(old)];
  if (now.size === before.size && now.isSubsetOf(before)) return [];
  return [invalid('spec.scopes', scopes.length > 0 ? scopes : null, 'field is immutable')];
}

function validateQuantities(amounts: Amounts = {}, field: string): FieldError[] {
  return Object.entries(amounts).flatMap(([name, text]) => {
    const at = `${field}[${name}]`;
    const isPart = isCounted(name) && (amountOf(text) ?? 0n) % one !== 0n;
    return all(
      validateQuotaResourceName(name, at),
      validateAmount(text, at),
      isPart && [invalid(at, text, 'must be an integer')],
    );
  });
}

function usage({ status }: ResourceQuota, shows: (name: string) => boolean): string {
  const names = Object.keys(status?.hard ?? {})
    .filter(shows)
    .sort();
  return names.map((name) => `${name}: ${status?.used?.[name] ?? '0'}/${status?.hard?.[name]}`).join(', ');
}

export const limitRange = defineKind<LimitRange>({
  group: '',
  kind: 'LimitRange',
  plural: 'limitranges',
  namespaced: true,
  createdByPut: true,
  shortNames: ['limits'],
  setDefaults({ spec }) {
    for (const limit of spec?.limits ?? []) if (limit.type === 'Container') setLimitDefaults(limit);
  },
  validate({ spec }): FieldError[] {
    const limits = spec?.limits ?? [];
    return each(limits, 'spec.limits', (limit, at, i) => validateLimit(limit, limits.slice(0, i), at));
  },
  columns: [nameColumn, createdColumn],
});

/** A maximum is the default limit; that, or else the minimum, is the default request. */
function setLimitDefaults(limit: Limit): void {
  const limits: Amounts = { ...limit.max, ...limit.default };
  const requests: Amounts = { ...limit.min, ...limits, ...limit.defaultRequest };
  if (Object.keys(limits).length > 0) limit.default = limits;
  if (Object.keys(requests).length > 0) limit.defaultRequest = requests;
}

function validateLimit(limit: Limit, before: readonly Limit[], field: string): FieldError[] {
  const { type = '' } = limit;
  const groups = type === 'Pod' ? limitsOfPods : limitsOfAll;
  const nameRule = type === 'Pod' || type === 'Container' ? validateContainerResourceName : validateResourceName;
  const names = new Set(groups.flatMap((group) => Object.keys(limit[group] ?? {})));
  const isUnbound = limit.min?.storage === undefined && limit.max?.storage === undefined;
  const unbound = 'either minimum or maximum storage value is required, but neither was provided';
  return all(
    validateLimitType(type, `${field}.type`),
    before.some((other) => other.type === type) && [duplicate(`${field}.type`, type)],
    groups.flatMap((group) =>
      Object.keys(limit[group] ?? {}).flatMap((name) => nameRule(name, `${field}.${group}[${name}]`)),
    ),
    type === 'Pod' &&
      (['default', 'defaultRequest'] as const).flatMap((group) =>
        Object.keys(limit[group] ?? {}).length === 0
          ? []
          : [forbidden(`${field}.${group}`, "may not be specified when `type` is 'Pod'")],
      ),
    type === 'PersistentVolumeClaim' && isUnbound && [required(`${field}.limits`, unbound)],
    [...names].flatMap((name) => validateLimitsOf(name, limit, groups, field)),
  );
}

function validateLimitType(type: string, field: string): FieldError[] {
  const wrong = ruled(field, type, qualifiedName);
  if (wrong.length > 0) return wrong;
  if (type.includes('/') || limitTypes.includes(type)) return [];
  return [invalid(field, type, 'must be a standard limit type or fully qualified')];
}

/** Which group must not be above which, where the error stands, which of both it shows, and what they are called. */
const orders: readonly (readonly [Group, Group, Group, Group, string, string])[] = [
  ['min', 'max', 'min', 'min', 'min', 'max'],
  ['min', 'defaultRequest', 'defaultRequest', 'defaultRequest', 'min', 'default request'],
  ['defaultRequest', 'max', 'defaultRequest', 'defaultRequest', 'default request', 'max'],
  ['defaultRequest', 'default', 'defaultRequest', 'defaultRequest', 'default request', 'default limit'],
  ['min', 'default', 'default', 'min', 'min', 'default'],
  ['default', 'max', 'default', 'max', 'default', 'max'],
];

/** What is said of one resource fits together. */
function validateLimitsOf(name: string, limit: Limit, groups: readonly Group[], field: string): FieldError[] {
  const textOf = (group: Group) => (groups.includes(group) ? limit[group]?.[name] : undefined);
  const errors = orders.flatMap(([small, large, place, shown, smallName, largeName]) => {
    const [low, high] = [textOf(small), textOf(large)];
    if (low === undefined || high === undefined || nanosOf(low) <= nanosOf(high)) return [];
    const detail = `${smallName} value ${low} is greater than ${largeName} value ${high}`;
    return [invalid(`${field}.${place}[${name}]`, textOf(shown), detail)];
  });
  const [limits, requests] = [textOf('default'), textOf('defaultRequest')];
  const isPromise = limits !== undefined && requests !== undefined && nanosOf(limits) !== nanosOf(requests);
  const detail = `default value ${limits} must equal to defaultRequest value ${requests} in ${name}`;
  return all(
    errors,
    validateRatio(
      textOf('maxLimitRequestRatio'),
      textOf('min'),
      textOf('max'),
      `${field}.maxLimitRequestRatio[${name}]`,
    ),
    isPromise && !mayOvercommit(name) && [invalid(`${field}.defaultRequest[${name}]`, requests, detail)],
  );
}

function validateRatio(
  ratio: string | undefined,
  min: string | undefined,
  max: string | undefined,
  field: string,
): FieldError[] {
  if (ratio === undefined) return [];
  const small = nanosOf(ratio) < one ? [invalid(field, ratio, `ratio ${ratio} is less than 1`)] : [];
  if (min === undefined || max === undefined) return small;
  const most = Number(nanosOf(max)) / Number(nanosOf(min));
  if (Number(nanosOf(ratio)) / Number(one) <= most) return small;
  return [...small, invalid(field, ratio, `ratio ${ratio} is greater than max/min = ${most.toFixed(6)}`)];
}

const nanosOf = (text: string): bigint => amountOf(text) ?? 0n;
