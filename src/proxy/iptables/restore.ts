import type { IptablesTable } from '../../kernel/iptables.ts';

/** What one table shall have otherwise. */
export interface TableChange {
  /** Chains with all their rules; none jumps to a later one, but for chains that are there already. */
  readonly write: ReadonlyMap<string, readonly string[]>;
  readonly remove: readonly string[];
  /** Whole lines for chains that are the kernel's or others': `-I INPUT 1 …`, `-D INPUT …`. */
  readonly lines: readonly string[];
}

/**
 * A few hundred Services: 5,000 in one restore take 50 s in iptables' user space, in such pieces 3 s. Smaller ones
 * cost more again, as each reads the chains that are there.
 */
const LINES_IN_A_PIECE = 5_000;

/**
 * Inputs for iptables-restore that make `change`, to be given one after the other: each is a transaction. What is
 * written comes first, what it replaces goes last, so that every state between serves.
 */
export function restoreInputs(table: IptablesTable, { write, remove, lines }: TableChange): string[] {
  const pieces = new Pieces(table);
  for (const [chain, rules] of write) {
    pieces.add(
      [`:${chain} - [0:0]`],
      rules.map((rule) => `-A ${chain} ${rule}`.trimEnd()),
    );
  }
  pieces.add([], lines);
  // All are emptied before the first goes: they may lead to one another.
  for (const chain of remove) pieces.add([`:${chain} - [0:0]`], []);
  for (const chain of remove) pieces.add([], [`-X ${chain}`]);
  return pieces.end();
}

class Pieces {
  readonly #table: IptablesTable;
  readonly #inputs: string[] = [];
  #chains: string[] = [];
  #rules: string[] = [];

  constructor(table: IptablesTable) {
    this.#table = table;
  }

  /** Lines of one input that must not be parted; iptables-restore wants chains before rules. */
  add(chains: readonly string[], rules: readonly string[]): void {
    this.#chains.push(...chains);
    this.#rules.push(...rules);
    if (this.#chains.length + this.#rules.length >= LINES_IN_A_PIECE) this.end();
  }

  end(): string[] {
    if (this.#chains.length + this.#rules.length > 0) {
      this.#inputs.push(`*${this.#table}\n${[...this.#chains, ...this.#rules].join('\n')}\nCOMMIT\n`);
      this.#chains = [];
      this.#rules = [];
    }
    return this.#inputs;
  }
}
