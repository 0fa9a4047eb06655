import { familyOf } from '../../../base/cidr.ts';
import type { FieldError } from '../../kind.ts';
import type { IPAddress, ServiceCIDR } from '../../types.ts';
import { strictAddress, strictCidr } from '../addresses.ts';
import { ageColumn, nameColumn, text } from '../columns.ts';
import { allMetadata, defineKind } from '../define.ts';
import { invalid, required, unchanged } from '../errors.ts';
import { dnsSubdomain, pathSegment, type Rule } from '../names.ts';

export const ipAddress = defineKind<IPAddress>({
  group: 'networking.k8s.io',
  kind: 'IPAddress',
  plural: 'ipaddresses',
  namespaced: false,
  shortNames: ['ip'],
  nameRule: strictAddress,
  validate({ spec }, old): FieldError[] {
    if (!spec?.parentRef) {
      return [required('spec.parentRef'), ...(old ? unchanged('spec.parentRef', undefined, old.spec?.parentRef) : [])];
    }
    const { group, resource, namespace, name } = spec.parentRef;
    const parts: [field: string, value: string | undefined, rule: Rule][] = [
      ['group', group, dnsSubdomain],
      ['resource', resource, pathSegment],
      ['name', name, pathSegment],
      ['namespace', namespace, pathSegment],
    ];
    return [
      ...(resource ? [] : [required('spec.parentRef.resource')]),
      ...(name ? [] : [required('spec.parentRef.name')]),
      ...parts.flatMap(([field, value, rule]) => {
        const wrong = value ? rule(value) : undefined;
        return wrong ? [invalid(`spec.parentRef.${field}`, value, wrong)] : [];
      }),
      ...(old ? unchanged('spec.parentRef', spec.parentRef, old.spec?.parentRef) : []),
    ];
  },
  fieldLabels: { 'spec.parentRef.name': ({ spec }) => spec?.parentRef?.name ?? '' },
  // No age: Kubernetes shows none.
  columns: [nameColumn, text('ParentRef', parentOf, 'What the address is for.')],
});

/** `services/default/web` */
function parentOf({ spec }: IPAddress): string {
  if (!spec?.parentRef) return '<none>';
  const { group, resource = '', namespace, name = '' } = spec.parentRef;
  const plural = (group ? `${resource}.${group}` : resource).toLowerCase();
  return [plural, ...(namespace ? [namespace] : []), name].join('/');
}

export const serviceCIDR = defineKind<ServiceCIDR>({
  group: 'networking.k8s.io',
  kind: 'ServiceCIDR',
  plural: 'servicecidrs',
  namespaced: false,
  keptByStatus: allMetadata,
  hasStatus: true,
  validate({ spec }, old): FieldError[] {
    const ranges = spec?.cidrs ?? [];
    return old ? changedRanges(ranges, old.spec?.cidrs ?? []) : wrongRanges(ranges);
  },
  columns: [
    nameColumn,
    text('CIDRs', ({ spec }) => (spec?.cidrs ?? []).join(','), 'Ranges of Service addresses.'),
    ageColumn,
  ],
});

function wrongRanges(ranges: readonly string[]): FieldError[] {
  if (ranges.length === 0) return [required('spec.cidrs', 'at least one CIDR required')];
  if (ranges.length > 2) return [invalid('spec.cidrs', { CIDRs: ranges }, 'may only hold up to 2 values')];
  const errors = ranges.flatMap((range, i) => {
    const wrong = strictCidr(range);
    return wrong ? [invalid(`spec.cidrs[${i}]`, range, wrong)] : [];
  });
  if (errors.length > 0 || new Set(ranges.map(familyOf)).size === ranges.length) return errors;
  const detail = 'may specify no more than one IP for each IP family, i.e 192.168.0.0/24 and 2001:db8::/64';
  return [invalid('spec.cidrs', ranges, detail)];
}

/** The second family may be added; all else stays. */
function changedRanges(ranges: readonly string[], old: readonly string[]): FieldError[] {
  const grows = old.length === 1 && ranges.length === 2;
  if (ranges.length !== old.length && !grows)
    return [invalid('spec.cidrs', ranges.length > 0 ? ranges : null, 'field is immutable')];
  const changed = old.flatMap((range, i) => unchanged(`spec.cidrs[${i}]`, ranges[i], range));
  return grows ? [...changed, ...wrongRanges(ranges)] : changed;
}
