/** IntOrString: a number, or a share of `total`. */
export function scaled(value: unknown, total: number, round: (value: number) => number): number {
  const text = String(value);
  return text.endsWith('%') ? round((Number(text.slice(0, -1)) * total) / 100) : Number(text);
}
