import { isIP } from 'node:net';
import { canonicalAddress, canonicalPrefix } from '../../base/prefixes.ts';
import type { FieldError } from '../kind.ts';
import { invalid } from './errors.ts';
import type { Rule } from './names.ts';

/** An address of either family. */
export function validateIp(address: string | undefined, field: string): FieldError[] {
  const wrong = wrongAddress(address ?? '');
  return wrong ? [invalid(field, address ?? '', wrong)] : [];
}

function wrongAddress(address: string): string | undefined {
  const family = isIP(address);
  if (family === 4) return undefined;
  if (family === 6) {
    return isMapped(canonicalAddress(address) ?? '') ? 'must not be an IPv4-mapped IPv6 address' : undefined;
  }
  // Some read `010` as eight, others as ten.
  if (isIP(address.replace(/(?<=^|\.)0+(?=\d)/g, '')) === 4) return 'must not have leading 0s';
  return 'must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)';
}

/** A range of addresses: `10.0.0.0/8`. */
export function validateCidr(range: string | undefined, field: string): FieldError[] {
  if (isCidr(range ?? '')) return [];
  return [invalid(field, range ?? '', 'must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)')];
}

/** A range in a field that is older than strict spelling: it names a network, but in any of its spellings. */
export function validateNetwork(range: string | undefined, field: string): FieldError[] {
  const wrong = strictCidr(range ?? '');
  return wrong && !wrong.startsWith('must be in canonical form') ? [invalid(field, range ?? '', wrong)] : [];
}

/** Whether old fields take it for an address: numbers of IPv4 may have leading zeros there. */
export function isLegacyAddress(text: string): boolean {
  return isIP(text.replace(/(^|[.:])0+(?=\d+(\.|$))/g, '$1')) !== 0;
}

/** Whether it reads as `address/prefix`. */
export function isCidr(range: string): boolean {
  const [address = '', prefix = '', ...rest] = range.split('/');
  const family = isIP(address);
  return rest.length === 0 && family !== 0 && /^\d{1,3}$/.test(prefix) && Number(prefix) <= (family === 4 ? 32 : 128);
}

/** An address in the one spelling that newer kinds take. */
export const strictAddress: Rule = (address) => {
  const spelled = canonicalAddress(address);
  if (spelled === undefined) return 'must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)';
  if (isMapped(spelled)) return 'must not be an IPv4-mapped IPv6 address';
  return spelled === address ? undefined : `must be in canonical form (${JSON.stringify(spelled)})`;
};

/** A range in the one spelling that newer kinds take. */
export const strictCidr: Rule = (range) => {
  if (!isCidr(range)) return 'must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)';
  const [address = '', bits] = range.split('/');
  const spelled = canonicalAddress(address) ?? '';
  if (isMapped(spelled)) return 'must not have an IPv4-mapped IPv6 address';
  const [network] = (canonicalPrefix(range) ?? '').split('/');
  if (network !== spelled) return 'must not have bits set beyond the prefix length';
  return spelled === address ? undefined : `must be in canonical form ("${spelled}/${bits}")`;
};

const isMapped = (address: string): boolean => address.startsWith('::ffff:') && address.includes('.');

/** Whether all addresses of `inner` belong to `outer`. Both are ranges. */
export function containsCidr(outer: string, inner: string): boolean {
  const [large, small] = [bitsOf(outer), bitsOf(inner)];
  return (
    small.width === large.width &&
    small.prefix >= large.prefix &&
    small.bits.startsWith(large.bits.slice(0, large.prefix))
  );
}

function bitsOf(range: string): { bits: string; prefix: number; width: number } {
  const [address = '', prefix = ''] = range.split('/');
  const width = isIP(address) === 4 ? 32 : 128;
  const bits = width === 32 ? bits4(address) : bits6(address);
  return { bits, prefix: Number(prefix), width };
}

function bits4(address: string): string {
  return address
    .split('.')
    .map((byte) => Number(byte).toString(2).padStart(8, '0'))
    .join('');
}

function bits6(address: string): string {
  const [head = '', tail = ''] = address.split('::');
  const words = (part: string) => part.split(':').filter(Boolean).flatMap(wordBits);
  const [left, right] = [words(head), words(tail)];
  return [...left, ...Array<string>(8 - left.length - right.length).fill('0'.repeat(16)), ...right].join('');
}

/** One group of an IPv6 address; its end may be written as IPv4. */
function wordBits(word: string): string[] {
  if (!word.includes('.')) return [Number.parseInt(word, 16).toString(2).padStart(16, '0')];
  const bits = bits4(word);
  return [bits.slice(0, 16), bits.slice(16)];
}
