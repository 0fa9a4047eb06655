import { isIP } from 'node:net';
import type { FieldError } from '../kind.ts';
import { invalid } from './errors.ts';

/** An address of either family. */
export function validateIp(address: string | undefined, field: string): FieldError[] {
  if (isIP(address ?? '') !== 0) return [];
  return [invalid(field, address ?? '', 'must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)')];
}

/** A range of addresses: `10.0.0.0/8`. */
export function validateCidr(range: string | undefined, field: string): FieldError[] {
  if (isCidr(range ?? '')) return [];
  return [invalid(field, range ?? '', 'must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)')];
}

/** Whether it reads as `address/prefix`. */
export function isCidr(range: string): boolean {
  const [address = '', prefix = '', ...rest] = range.split('/');
  const family = isIP(address);
  return rest.length === 0 && family !== 0 && /^\d{1,3}$/.test(prefix) && Number(prefix) <= (family === 4 ? 32 : 128);
}

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
