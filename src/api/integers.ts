/**
 * Compares two labels as whole numbers, for the operators Gt and Lt: negative, zero or positive, and NaN, which is
 * neither more nor less, where one of them is none.
 */
export function compareIntegers(a: string | undefined, b: string | undefined): number {
  if (!isInteger(a) || !isInteger(b)) return Number.NaN;
  const difference = BigInt(a) - BigInt(b);
  return difference > 0n ? 1 : difference < 0n ? -1 : 0;
}

export function isInteger(text: string | undefined): text is string {
  return text !== undefined && /^-?\d+$/.test(text);
}
