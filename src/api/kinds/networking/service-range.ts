import { isIP } from 'node:net';
import type { FieldError } from '../../kind.ts';
import type { IPAddress, ServiceCIDR } from '../../types.ts';
import { validateCidr } from '../addresses.ts';
import { ageColumn, nameColumn, text } from '../columns.ts';
import { defineKind } from '../define.ts';
import { invalid, required, unchanged } from '../errors.ts';

export const ipAddress = defineKind<IPAddress>({
  group: 'networking.k8s.io',
  kind: 'IPAddress',
  plural: 'ipaddresses',
  namespaced: false,
  shortNames: ['ip'],
  nameRule: (name) => (isIP(name) === 0 ? 'must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)' : undefined),
  validate({ spec }, old): FieldError[] {
    const { resource, name } = spec?.parentRef ?? {};
    return [
      ...(spec?.parentRef ? [] : [required('spec.parentRef')]),
      ...(spec?.parentRef && !resource ? [required('spec.parentRef.resource')] : []),
      ...(spec?.parentRef && !name ? [required('spec.parentRef.name')] : []),
      ...(old ? unchanged('spec.parentRef', spec?.parentRef, old.spec?.parentRef) : []),
    ];
  },
  fieldLabels: { 'spec.parentRef.name': ({ spec }) => spec?.parentRef?.name ?? '' },
  columns: [nameColumn, text('ParentRef', parentOf, 'What the address is for.'), ageColumn],
});

/** `services/default/web` */
function parentOf({ spec }: IPAddress): string {
  const { group, resource, namespace, name } = spec?.parentRef ?? {};
  return [group, resource, namespace, name].filter(Boolean).join('/');
}

export const serviceCIDR = defineKind<ServiceCIDR>({
  group: 'networking.k8s.io',
  kind: 'ServiceCIDR',
  plural: 'servicecidrs',
  namespaced: false,
  hasStatus: true,
  validate({ spec }, old): FieldError[] {
    const ranges = spec?.cidrs ?? [];
    return [
      ...(ranges.length === 0 ? [required('spec.cidrs', 'at least one CIDR required')] : []),
      ...(ranges.length > 2
        ? [invalid('spec', spec, 'may only hold up to 2 values')]
        : ranges.flatMap((range, i) => validateCidr(range, `spec.cidrs[${i}]`))),
      ...(old ? unchanged('spec.cidrs', ranges, old.spec?.cidrs) : []),
    ];
  },
  columns: [
    nameColumn,
    text('CIDRs', ({ spec }) => (spec?.cidrs ?? []).join(','), 'Ranges of Service addresses.'),
    ageColumn,
  ],
});
