import type { FieldError } from '../../kind.ts';
import type { LimitRange, ResourceQuota } from '../../types.ts';
import { ageColumn, createdColumn, nameColumn, text } from '../columns.ts';
import { defineKind } from '../define.ts';
import { invalid, required, unchanged } from '../errors.ts';
import { amountOf, validateAmounts } from '../podspec/resources.ts';

type Limit = NonNullable<LimitRange['spec']>['limits'][number];
type Amounts = Record<string, string>;

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
      ...validateAmounts(spec?.hard, 'spec.hard'),
      ...validateAmounts(status?.used, 'status.used'),
      ...(old ? unchanged('spec.scopes', spec?.scopes, old.spec?.scopes) : []),
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
  shortNames: ['limits'],
  setDefaults({ spec }) {
    for (const limit of spec?.limits ?? []) if (limit.type === 'Container') setLimitDefaults(limit);
  },
  validate({ spec }): FieldError[] {
    return (spec?.limits ?? []).flatMap((limit, i) => validateLimit(limit, `spec.limits[${i}]`));
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

function validateLimit(limit: Limit, field: string): FieldError[] {
  const { min = {}, max = {}, defaultRequest = {}, default: limits = {} } = limit;
  return [
    ...(limit.type ? [] : [required(`${field}.type`)]),
    ...validateAmounts(min, `${field}.min`),
    ...validateAmounts(max, `${field}.max`),
    ...validateOrder(min, max, `${field}.min`, 'max'),
    ...validateOrder(min, limits, `${field}.min`, 'default'),
    ...validateOrder(limits, max, `${field}.default`, 'max'),
    ...validateOrder(defaultRequest, max, `${field}.defaultRequest`, 'max'),
  ];
}

function validateOrder(small: Amounts, large: Amounts, field: string, name: string): FieldError[] {
  return Object.entries(small).flatMap(([resource, amount]) => {
    const most = large[resource];
    if (most === undefined || (amountOf(amount) ?? 0n) <= (amountOf(most) ?? 0n)) return [];
    return [
      invalid(
        `${field}[${resource}]`,
        amount,
        `${field.split('.').at(-1)} value ${amount} is greater than ${name} value ${most}`,
      ),
    ];
  });
}
