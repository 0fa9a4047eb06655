import type { Destination } from '../plan.ts';

/**
 * A front end maps to 32 bits: the pool's id, and below it the number of a shape (how an endpoint of the pool is
 * chosen), or a slot, or an endpoint's serial number. 18:14 bits, so that 262,143 pools and 8,191 endpoints in one pool fit. nft writes such numbers as `hi:lo`.
 */
export const SHAPE_BITS = 14;
export const SHAPE_MASK = 2 ** SHAPE_BITS - 1;
export const MAX_ENDPOINTS = 2 ** (SHAPE_BITS - 1) - 1;
export const MAX_POOL = 2 ** (32 - SHAPE_BITS) - 1;

export const REFUSE = 0;
export const DROP = SHAPE_MASK;

export type Verdict = Exclude<Destination, 'cluster' | 'local'>;

export function verdictValue(verdict: Verdict): string {
  return formatClassid(verdict === 'refuse' ? REFUSE : DROP);
}

export function poolValue(pool: number, shape: number): string {
  return formatClassid(pool * 2 ** SHAPE_BITS + shape);
}

export function poolOfValue(value: string): number {
  return Math.floor(parseClassid(value) / 2 ** SHAPE_BITS);
}

/** As nft prints it: hexadecimal, `none` for 0 and `root` for all ones. */
export function formatClassid(value: number): string {
  if (value === 0) return 'none';
  return `${Math.floor(value / 65536).toString(16)}:${(value % 65536).toString(16)}`;
}

export function parseClassid(text: string): number {
  if (text === 'none') return 0;
  const [high = '0', low = '0'] = text.split(':');
  return Number.parseInt(high, 16) * 65536 + Number.parseInt(low, 16);
}
