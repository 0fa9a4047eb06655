import { isIPv6 } from 'node:net';
import type { Service } from '../../api/types.ts';

type Spec = NonNullable<Service['spec']>;

export type ServiceFamily = 'IPv4' | 'IPv6';

/** What is wrong with the families that a Service asks for. */
export interface FamilyComplaint {
  readonly field: string;
  readonly value: unknown;
  readonly why: string;
}

/**
 * Fills in `ipFamilyPolicy` and `ipFamilies` (KEP-563). `available` are the cluster's, the default one first. The
 * families decide which addresses the Service is given, in their order.
 */
export function settleFamilies(spec: Spec, available: readonly ServiceFamily[]): FamilyComplaint[] {
  const single = (spec.ipFamilyPolicy ?? 'SingleStack') === 'SingleStack';
  const both = (['clusterIPs', 'ipFamilies'] as const).filter((field) => (spec[field]?.length ?? 0) > 1);
  if (single && both.length > 0) {
    const what = { clusterIPs: 'cluster IPs', ipFamilies: 'IP families' };
    const why = (field: keyof typeof what) =>
      `must be 'RequireDualStack' or 'PreferDualStack' when multiple ${what[field]} are specified`;
    return both.map((field) => ({
      field: 'spec.ipFamilyPolicy',
      value: spec.ipFamilyPolicy ?? 'SingleStack',
      why: why(field),
    }));
  }
  const addresses = (spec.clusterIPs ?? []).filter((address) => address !== 'None');
  const families = addresses.map((address, index) => spec.ipFamilies?.[index] ?? familyOfAddress(address));
  spec.ipFamilies = [...families, ...(spec.ipFamilies ?? []).slice(families.length)];
  // Whoever writes the endpoints of such a Service may have both families, also in a cluster that has one.
  if (spec.clusterIP === 'None' && Object.keys(spec.selector ?? {}).length === 0) {
    spec.ipFamilyPolicy ??= 'RequireDualStack';
    return completeFamilies(spec, available[0] ?? 'IPv4', spec.ipFamilyPolicy === 'SingleStack' ? 1 : 2);
  }
  const complaints = spec.ipFamilies.flatMap((family, index): FamilyComplaint[] =>
    available.some((each) => each === family)
      ? []
      : [{ field: `spec.ipFamilies[${index}]`, value: family, why: 'not configured on this cluster' }],
  );
  if (spec.ipFamilyPolicy === 'RequireDualStack' && available.length < 2) {
    const why = 'this cluster is not configured for dual-stack services';
    complaints.unshift({ field: 'spec.ipFamilyPolicy', value: spec.ipFamilyPolicy, why });
  }
  if (complaints.length > 0) return complaints;
  spec.ipFamilyPolicy ??= 'SingleStack';
  return completeFamilies(spec, available[0] ?? 'IPv4', single ? 1 : available.length);
}

function completeFamilies(spec: Spec, first: ServiceFamily, count: number): [] {
  const families = spec.ipFamilies?.length ? [...spec.ipFamilies] : [first];
  if (families.length < count) families.push(families[0] === 'IPv6' ? 'IPv4' : 'IPv6');
  spec.ipFamilies = families;
  return [];
}

export function familyOfAddress(address: string): ServiceFamily {
  return isIPv6(address) ? 'IPv6' : 'IPv4';
}
