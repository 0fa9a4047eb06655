import { KnitError } from '../base/errors.ts';

/**
 * A resource quantity (k8s.io/apimachinery/pkg/api/resource): exact, in billionths, which is the finest that
 * Kubernetes keeps; what is finer is rounded away from zero.
 */
export interface Quantity {
  readonly nanos: bigint;
  /** How it was written, and so how it is written again. */
  readonly format: QuantityFormat;
}

export type QuantityFormat = 'BinarySI' | 'DecimalSI' | 'DecimalExponent';

const binary = ['', 'Ki', 'Mi', 'Gi', 'Ti', 'Pi', 'Ei'];
/** From 10^-9 in steps of a thousand. */
const decimal = ['n', 'u', 'm', '', 'k', 'M', 'G', 'T', 'P', 'E'];
const billion = 1_000_000_000n;

const shape = /^([+-]?)(\d*)(?:\.(\d*))?([numkMGTPE]|[KMGTPE]i|[eE][+-]?\d+)?$/;
/** What most quantities look like, canonical as it stands. */
const plain = /^(?:0|[1-9]\d{0,2}(?:m|k|M|G|Ki|Mi|Gi|Ti)?)$/;

/**
 * @throws KnitError `BAD_QUANTITY`
 * @example parseQuantity('1.5Gi') // { nanos: 1610612736000000000n, format: 'BinarySI' }
 */
export function parseQuantity(text: string): Quantity {
  const quantity = tryParse(text);
  if (quantity) return quantity;
  throw new KnitError(
    'BAD_QUANTITY',
    `${JSON.stringify(text)}: quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'`,
    'write it as 500m, 1, 1.5, 64Mi, 2Gi or 1e3',
  );
}

/** The one spelling that the API server keeps (`1000m` → `1`, `1024Mi` → `1Gi`); `undefined` for no quantity. */
export function canonicalQuantity(text: string): string | undefined {
  if (plain.test(text)) return text;
  const quantity = tryParse(text);
  return quantity && formatQuantity(quantity);
}

/** The canonical form: no fraction, the largest suffix, nothing lost. */
export function formatQuantity({ nanos, format }: Quantity): string {
  if (nanos === 0n) return '0';
  if (format === 'BinarySI' && nanos % billion === 0n && absolute(nanos) >= 1024n * billion) {
    const [mantissa, power] = divideOut(nanos / billion, 1024n, binary.length - 1);
    return `${mantissa}${binary[power]}`;
  }
  const [mantissa, power] = divideOut(nanos, 1000n, decimal.length - 1);
  if (format !== 'DecimalExponent') return `${mantissa}${decimal[power]}`;
  const exponent = power * 3 - 9;
  return exponent === 0 ? String(mantissa) : `${mantissa}e${exponent}`;
}

/** Negative, zero or positive, as `a` is smaller than, equal to or greater than `b`. */
export function compareQuantities(a: Quantity, b: Quantity): number {
  return a.nanos < b.nanos ? -1 : a.nanos > b.nanos ? 1 : 0;
}

/** The sum in the format of `a`, or of `b` where `a` is zero, as Kubernetes does. */
export function addQuantities(a: Quantity, b: Quantity): Quantity {
  return { nanos: a.nanos + b.nanos, format: a.nanos === 0n ? b.format : a.format };
}

export function subtractQuantities(a: Quantity, b: Quantity): Quantity {
  return { nanos: a.nanos - b.nanos, format: a.nanos === 0n ? b.format : a.format };
}

/** Whole units (bytes, cores), rounded up: `1500m` → 2. */
export function quantityValue(quantity: Quantity | string): number {
  return Number(divideUp(nanosOf(quantity), billion));
}

/** Thousandths (millicores), rounded up: `0.5` → 500. */
export function milliValue(quantity: Quantity | string): number {
  return Number(divideUp(nanosOf(quantity), 1_000_000n));
}

const nanosOf = (quantity: Quantity | string): bigint =>
  typeof quantity === 'string' ? parseQuantity(quantity).nanos : quantity.nanos;

function tryParse(text: string): Quantity | undefined {
  const match = shape.exec(text);
  if (!match) return undefined;
  const [, sign, whole = '', fraction = '', suffix = ''] = match;
  if (whole === '' && fraction === '') return undefined;
  const scale = scaleOf(suffix);
  if (!scale) return undefined;
  const digits = BigInt(whole + fraction) * scale.multiplier * billion;
  const magnitude = divideUp(digits, 10n ** BigInt(fraction.length) * scale.divisor);
  return { nanos: sign === '-' ? -magnitude : magnitude, format: scale.format };
}

interface Scale {
  readonly multiplier: bigint;
  readonly divisor: bigint;
  readonly format: QuantityFormat;
}

function scaleOf(suffix: string): Scale | undefined {
  const decimalPower = decimal.indexOf(suffix);
  if (decimalPower >= 0) return { multiplier: 1000n ** BigInt(decimalPower), divisor: billion, format: 'DecimalSI' };
  const binaryPower = binary.indexOf(suffix);
  if (binaryPower >= 0) return { multiplier: 1024n ** BigInt(binaryPower), divisor: 1n, format: 'BinarySI' };
  const exponent = Number(suffix.slice(1));
  // Beyond this nothing is a quantity of anything, and the power would only cost time.
  if (Math.abs(exponent) > 100) return undefined;
  const power = 10n ** BigInt(Math.abs(exponent));
  return { multiplier: exponent > 0 ? power : 1n, divisor: exponent > 0 ? 1n : power, format: 'DecimalExponent' };
}

/** Takes `base` out of `value` as often as it divides it, at most `most` times. */
function divideOut(value: bigint, base: bigint, most: number): [rest: bigint, times: number] {
  let rest = value;
  let times = 0;
  while (times < most && rest % base === 0n) {
    rest /= base;
    times++;
  }
  return [rest, times];
}

/** Division that rounds away from zero. */
function divideUp(value: bigint, by: bigint): bigint {
  const quotient = value / by;
  if (value % by === 0n) return quotient;
  return value < 0n ? quotient - 1n : quotient + 1n;
}

const absolute = (value: bigint): bigint => (value < 0n ? -value : value);
