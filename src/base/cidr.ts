import { isIPv4 } from 'node:net';
import { KnitError } from './errors.ts';

/** An IPv4 network: `10.244.0.0/16`. */
export interface CIDR {
  /** First address, as an unsigned number. */
  readonly base: number;
  /** Length of the prefix in bits. */
  readonly bits: number;
}

/** Throws `CIDR_INVALID` for what is no network, or has bits set after its prefix. */
export function parseCIDR(text: string): CIDR {
  const [address = '', length = '', ...rest] = text.split('/');
  const bits = Number(length);
  if (rest.length > 0 || !isIPv4(address) || !/^\d+$/.test(length) || bits > 32) {
    throw new KnitError('CIDR_INVALID', `${text} is no IPv4 network`, 'write it as ADDRESS/BITS: 10.244.0.0/16');
  }
  const cidr = { base: networkOf(addressToNumber(address), bits), bits };
  if (cidr.base !== addressToNumber(address)) {
    throw new KnitError('CIDR_INVALID', `${text} has bits set after its prefix`, `did you mean ${formatCIDR(cidr)}?`);
  }
  return cidr;
}

export function formatCIDR(cidr: CIDR): string {
  return `${numberToAddress(cidr.base)}/${cidr.bits}`;
}

/** How many addresses it has. */
export function sizeOf(cidr: CIDR): number {
  return 2 ** (32 - cidr.bits);
}

export function overlaps(a: CIDR, b: CIDR): boolean {
  const bits = Math.min(a.bits, b.bits);
  return networkOf(a.base, bits) === networkOf(b.base, bits);
}

export function contains(cidr: CIDR, address: string): boolean {
  return networkOf(addressToNumber(address), cidr.bits) === cidr.base;
}

/** The address `index` after the first one. Throws `CIDR_FULL` beyond the last. */
export function addressAt(cidr: CIDR, index: number): string {
  if (index < 0 || index >= sizeOf(cidr)) {
    throw new KnitError('CIDR_FULL', `${formatCIDR(cidr)} has no address number ${index}`, 'choose a larger network');
  }
  return numberToAddress(cidr.base + index);
}

/** The network of `bits` bits that is number `index` in `cidr`. */
export function subnetAt(cidr: CIDR, bits: number, index: number): CIDR {
  return { base: addressToNumber(addressAt(cidr, index * 2 ** (32 - bits))), bits };
}

export function addressToNumber(address: string): number {
  return address.split('.').reduce((sum, part) => sum * 256 + Number(part), 0);
}

export function numberToAddress(value: number): string {
  return [24, 16, 8, 0].map((shift) => Math.floor(value / 2 ** shift) % 256).join('.');
}

function networkOf(address: number, bits: number): number {
  const size = 2 ** (32 - bits);
  return address - (address % size);
}
