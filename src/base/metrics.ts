/** `count` ends of buckets, each `factor` times the one before: Prometheus' ExponentialBuckets. */
export const exponential = (first: number, factor: number, count: number): number[] =>
  Array.from({ length: count }, (_, index) => Number((first * factor ** index).toPrecision(12)));

export type MetricType = 'counter' | 'gauge' | 'histogram';

/** A metric's lines with what it is. */
export const family = (name: string, type: MetricType, help: string, lines: readonly string[]): string[] => [
  `# HELP ${name} ${help}`,
  `# TYPE ${name} ${type}`,
  ...lines,
];

/** A distribution of times for Prometheus: how many were at most so long. */
export class Histogram {
  readonly #bounds: readonly number[];
  readonly #counts: number[];
  #sum = 0;
  #count = 0;

  /** `bounds`: upper ends of the buckets, ascending. */
  constructor(bounds: readonly number[]) {
    this.#bounds = bounds;
    this.#counts = bounds.map(() => 0);
  }

  get count(): number {
    return this.#count;
  }

  observe(value: number): void {
    this.#sum += value;
    this.#count++;
    const bucket = this.#bounds.findIndex((bound) => value <= bound);
    if (bucket >= 0) this.#counts[bucket] = (this.#counts[bucket] ?? 0) + 1;
  }

  /** In Prometheus' text form. `labels`: `name="x"`, or none. */
  lines(name: string, labels: string): string[] {
    let below = 0;
    const before = labels && `${labels},`;
    const alone = labels && `{${labels}}`;
    const buckets = this.#bounds.map((bound, index) => {
      below += this.#counts[index] ?? 0;
      return `${name}_bucket{${before}le="${bound}"} ${below}`;
    });
    return [
      ...buckets,
      `${name}_bucket{${before}le="+Inf"} ${this.#count}`,
      `${name}_sum${alone} ${this.#sum}`,
      `${name}_count${alone} ${this.#count}`,
    ];
  }
}
