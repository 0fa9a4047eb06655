// All in 240.0.0.0/4, which is reserved and routed by nobody (RFC 1112, section 4).

export const hollowName = (index: number): string => `hollow-${index + 1}`;

/** Of the node with this index, from 0 to 65,535. */
export function hollowAddress(index: number): string {
  return `241.0.${index >> 8}.${index & 255}`;
}

export function hollowPodCIDR(index: number): string {
  return `240.${index >> 8}.${index & 255}.0/24`;
}
