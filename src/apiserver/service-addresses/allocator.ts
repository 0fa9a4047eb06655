/** Numbers that are given to one owner each: those in use are known from objects, those of writes under way from here. */
export class Allocator {
  readonly #size: number;
  /** Below it only what is asked for by number is given, where there is room above (KEP-3070, KEP-3668). */
  readonly #dynamicFrom: number;
  /** How many objects use a number. */
  readonly #used = new Map<number, number>();

  constructor(size: number, dynamicFrom: number) {
    this.#size = size;
    this.#dynamicFrom = Math.min(dynamicFrom, size);
  }

  isUsed(number: number): boolean {
    return this.#used.has(number);
  }

  use(number: number): void {
    this.#used.set(number, (this.#used.get(number) ?? 0) + 1);
  }

  release(number: number): void {
    const left = (this.#used.get(number) ?? 0) - 1;
    if (left > 0) this.#used.set(number, left);
    else this.#used.delete(number);
  }

  /** A free number, by chance; `undefined` where all are used. */
  pick(): number | undefined {
    return this.#pickIn(this.#dynamicFrom, this.#size) ?? this.#pickIn(0, this.#dynamicFrom);
  }

  #pickIn(from: number, to: number): number | undefined {
    const span = to - from;
    if (span <= 0) return undefined;
    const start = Math.floor(Math.random() * span);
    for (let step = 0; step < span; step++) {
      const number = from + ((start + step) % span);
      if (!this.#used.has(number)) return number;
    }
    return undefined;
  }
}
