import type { IPFamily } from '../../base/cidr.ts';

// All in 240.0.0.0/4, which is reserved and routed by nobody (RFC 1112, section 4), and in 100::/64, whose packets are to
// be discarded (RFC 6666).

export const hollowName = (index: number): string => `hollow-${index + 1}`;

/** Of the node with this index, from 0 to 65,535. */
export function hollowAddress(index: number, family: IPFamily): string {
  return family === 'ipv4' ? `241.0.${index >> 8}.${index & 255}` : `100::2:0:${(index + 1).toString(16)}`;
}

export function hollowPodCIDR(index: number, family: IPFamily): string {
  return family === 'ipv4' ? `240.${index >> 8}.${index & 255}.0/24` : `100::1:${(index + 1).toString(16)}:0/120`;
}
