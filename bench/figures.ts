/** One measured number. `ratio` is to a limit or a peer that was measured in the same run. */
export interface Figure {
  readonly what: string;
  readonly value: number;
  readonly unit: string;
  /** What `ratio` compares with. */
  readonly against?: string;
  readonly ratio?: number;
  /** `at most 2000 ms`; met or not. */
  readonly goal?: string;
  readonly met?: boolean;
}

export interface Benchmark {
  readonly name: string;
  /** One line: what is measured. */
  readonly about: string;
  run(): Promise<Figure[]>;
}

export function atMost(what: string, value: number, unit: string, limit: number): Figure {
  return { what, value, unit, goal: `at most ${limit} ${unit}`, met: value <= limit };
}

export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = Math.floor(sorted.length / 2);
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}
