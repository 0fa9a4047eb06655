import { isIP } from 'node:net';
import { familyOf, type IPFamily } from '../../base/cidr.ts';

/** The first address of a family, or of all. */
export function firstOfFamily(
  addresses: readonly (string | undefined)[],
  family: IPFamily | undefined,
): string | undefined {
  return addresses.find((each) => each !== undefined && isIP(each) && (family ?? familyOf(each)) === familyOf(each));
}
