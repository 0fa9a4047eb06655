import { addressAt, parseCIDR } from '../base/cidr.ts';
import { canonicalAddress } from '../base/prefixes.ts';

/** The first address of a pod CIDR: the node's end of its pods' links, from which the node speaks to them. */
export function gatewayOf(podCIDR: string): string[] {
  if (!podCIDR.includes(':')) return [addressAt(parseCIDR(podCIDR), 1)];
  const [base = ''] = podCIDR.split('/');
  return [canonicalAddress(`${base.replace(/::$/, '')}::1`) ?? []].flat();
}
