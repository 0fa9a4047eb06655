import { isIP } from 'node:net';
import type { FieldError } from '../../kind.ts';
import type { Service } from '../../types.ts';
import { validateIp } from '../addresses.ts';
import { all, duplicate, each, invalid, oneOf, required } from '../errors.ts';

type Spec = NonNullable<Service['spec']>;

const policies = ['PreferDualStack', 'RequireDualStack', 'SingleStack'];
const field = 'spec.clusterIPs';

/** Who names one address alone means the first of all. */
export function completeAddresses(spec: Spec): void {
  if (spec.clusterIP && !spec.clusterIPs?.length) spec.clusterIPs = [spec.clusterIP];
}

/**
 * Whether a Service's addresses and families fit together; asked before any address is given. Addresses that it had
 * (`old`) stay, whatever they are.
 */
export function validateServiceAddresses(spec: Spec, old: readonly string[] = []): FieldError[] {
  if (spec.type === 'ExternalName') return [];
  const { clusterIPs: addresses = [], ipFamilies = [], ipFamilyPolicy } = spec;
  const wrong = each(addresses, field, (address, at, i) => validateAddress(address, at, i, addresses, old));
  const errors = all(
    validatePair(spec),
    each(ipFamilies, 'spec.ipFamilies', (family, at, i) =>
      all(oneOf(at, family, ['IPv4', 'IPv6']), ipFamilies.indexOf(family) < i && [duplicate(at, family)]),
    ),
    ipFamilyPolicy !== undefined && oneOf('spec.ipFamilyPolicy', ipFamilyPolicy, policies),
    wrong,
    addresses.length > 2 && [invalid(field, addresses, 'may only hold up to 2 values')],
  );
  // Of addresses that are none nothing more can be said.
  return wrong.length > 0 ? errors : [...errors, ...validateFamilies(addresses, ipFamilies)];
}

function validatePair({ clusterIP, clusterIPs = [] }: Spec): FieldError[] {
  if (clusterIP) {
    if (clusterIPs.length === 0) return [required(field)];
    return clusterIPs[0] === clusterIP ? [] : [invalid(field, clusterIPs, 'first value must match `clusterIP`')];
  }
  return clusterIPs.length > 0 ? [invalid(field, clusterIPs, 'must be empty when `clusterIP` is not specified')] : [];
}

function validateAddress(
  address: string,
  at: string,
  index: number,
  others: readonly string[],
  old: readonly string[],
): FieldError[] {
  if (index === 0 && address === 'None') {
    return others.length > 1 ? [invalid(field, others, "'None' must be the first and only value")] : [];
  }
  return old.includes(address) ? [] : validateIp(address, at);
}

function validateFamilies(addresses: readonly string[], families: readonly string[]): FieldError[] {
  if (addresses[0] === 'None') return [];
  const familyOf = (address: string) => (isIP(address) === 6 ? 'IPv6' : 'IPv4');
  const isTwice = new Set(addresses.map(familyOf)).size < addresses.length;
  return all(
    isTwice && [invalid(field, addresses, 'may specify no more than one IP for each IP family')],
    each(addresses.slice(0, families.length), field, (address, at, i) =>
      ['IPv4', 'IPv6'].includes(families[i] ?? '') && familyOf(address) !== families[i]
        ? [invalid(at, address, `expected an ${families[i]} value as indicated by \`ipFamilies[${i}]\``)]
        : [],
    ),
  );
}
