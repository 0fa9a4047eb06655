import { isIP, isIPv4, isIPv6, SocketAddress } from 'node:net';
import { KnitError } from './errors.ts';

export type IPFamily = 'ipv4' | 'ipv6';

/** A network of either family: `10.244.0.0/16`, `fd00:10::/56`. */
export interface CIDR {
  readonly family: IPFamily;
  /** First address, as an unsigned number. */
  readonly base: bigint;
  /** Length of the prefix in bits. */
  readonly bits: number;
}

/** Of an address or a CIDR. */
export function familyOf(text: string): IPFamily {
  return text.includes(':') ? 'ipv6' : 'ipv4';
}

/** An address as URLs have it: `[fd00::1]`. */
export function urlHost(host: string): string {
  return isIPv6(host) ? `[${host}]` : host;
}

/** Throws `CIDR_INVALID` for what is no network, or has bits set after its prefix. */
export function parseCIDR(text: string): CIDR {
  const [address = '', length = '', ...rest] = text.split('/');
  const family = familyOf(address);
  const bits = Number(length);
  if (rest.length > 0 || !isIP(address) || !/^\d+$/.test(length) || bits > widthOf(family)) {
    throw new KnitError('CIDR_INVALID', `${text} is no network`, 'write it as ADDRESS/BITS: 10.244.0.0/16');
  }
  const number = addressToNumber(address);
  const cidr = { family, base: networkOf(number, widthOf(family), bits), bits };
  if (cidr.base !== number) {
    throw new KnitError('CIDR_INVALID', `${text} has bits set after its prefix`, `did you mean ${formatCIDR(cidr)}?`);
  }
  return cidr;
}

export function formatCIDR(cidr: CIDR): string {
  return `${numberToAddress(cidr.base, cidr.family)}/${cidr.bits}`;
}

/** How many addresses it has. */
export function sizeOf(cidr: CIDR): number {
  return 2 ** (widthOf(cidr.family) - cidr.bits);
}

export function overlaps(a: CIDR, b: CIDR): boolean {
  const width = widthOf(a.family);
  const bits = Math.min(a.bits, b.bits);
  return a.family === b.family && networkOf(a.base, width, bits) === networkOf(b.base, width, bits);
}

export function contains(cidr: CIDR, address: string): boolean {
  return indexOf(cidr, address) !== undefined;
}

/** Which address of the network it is, counted from 0; `undefined` for one outside of it, and for what is no address. */
export function indexOf(cidr: CIDR, address: string): number | undefined {
  if (!(cidr.family === 'ipv4' ? isIPv4(address) : isIPv6(address))) return undefined;
  const index = addressToNumber(address) - cidr.base;
  return index >= 0n && index < sizeOf(cidr) ? Number(index) : undefined;
}

/** The address `index` after the first one. Throws `CIDR_FULL` beyond the last. */
export function addressAt(cidr: CIDR, index: number): string {
  return numberToAddress(numberAt(cidr, index), cidr.family);
}

/** The network of `bits` bits that is number `index` in `cidr`. */
export function subnetAt(cidr: CIDR, bits: number, index: number): CIDR {
  return { family: cidr.family, base: numberAt(cidr, index * 2 ** (widthOf(cidr.family) - bits)), bits };
}

function numberAt(cidr: CIDR, index: number): bigint {
  if (index < 0 || index >= sizeOf(cidr)) {
    throw new KnitError('CIDR_FULL', `${formatCIDR(cidr)} has no address number ${index}`, 'choose a larger network');
  }
  return cidr.base + BigInt(index);
}

export function widthOf(family: IPFamily): 32 | 128 {
  return family === 'ipv4' ? 32 : 128;
}

function addressToNumber(address: string): bigint {
  const [width, groups] = isIPv6(address) ? [16n, groupsOf(address)] : [8n, address.split('.').map(Number)];
  return groups.reduce((sum, group) => (sum << width) + BigInt(group), 0n);
}

function numberToAddress(value: bigint, family: IPFamily): string {
  if (family === 'ipv4') return [24n, 16n, 8n, 0n].map((shift) => (value >> shift) & 0xffn).join('.');
  const groups = Array.from({ length: 8 }, (_, index) => ((value >> BigInt(112 - 16 * index)) & 0xffffn).toString(16));
  return new SocketAddress({ address: groups.join(':'), family: 'ipv6' }).address;
}

/** The eight groups of an IPv6 address. */
export function groupsOf(address: string): number[] {
  const [head = '', tail] = address.split('::');
  const parse = (part: string) =>
    part === ''
      ? []
      : part.split(':').flatMap((group) => {
          if (!group.includes('.')) return [Number.parseInt(group, 16)];
          const [a = 0, b = 0, c = 0, d = 0] = group.split('.').map(Number);
          return [a * 256 + b, c * 256 + d];
        });
  const [left, right] = [parse(head), parse(tail ?? '')];
  return [...left, ...Array.from({ length: 8 - left.length - right.length }, () => 0), ...right];
}

function networkOf(address: bigint, width: number, bits: number): bigint {
  const host = BigInt(width - bits);
  return (address >> host) << host;
}
