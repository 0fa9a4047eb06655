import type { IptablesTable } from '../../kernel/iptables.ts';

/** What one table shall have otherwise. */
export interface TableChange {
  /** Chains with all their rules; none jumps to a later one, but for chains that are there already. */
  readonly write: ReadonlyMap<string, readonly string[]>;
  readonly remove: readonly string[];
  /** Whole lines for chains that are the kernel's or others': `-I INPUT 1 …`, `-D INPUT …`. */
  readonly lines: readonly string[];
}

/** 5,000 Services in one restore take 50 s in iptables' user space, in pieces of a few hundred 3 s. */
const LINES_IN_A_PIECE = 2_000;

/**
 * Inputs for iptables-restore that make `change`, to be given one after the other: each is a transaction. What is
 * written comes first, what it replaces goes last, so that every state between serves.
 */
export function restoreInputs(table: IptablesTable, { write, remove, lines }: TableChange): string[] {
  const inputs: string[] = [];
  let chains: string[] = [];
  let rules: string[] = [];
  const end = () => {
    if (chains.length + rules.length === 0) return;
    inputs.push(`*${table}\n${[...chains, ...rules].join('\n')}\nCOMMIT\n`);
    chains = [];
    rules = [];
  };
  const makeRoom = () => chains.length + rules.length >= LINES_IN_A_PIECE && end();
  for (const [chain, contents] of write) {
    chains.push(`:${chain} - [0:0]`);
    for (const rule of contents) rules.push(`-A ${chain} ${rule}`.trimEnd());
    makeRoom();
  }
  rules.push(...lines);
  makeRoom();
  // Emptied first: the ones that go may lead to one another.
  chains.push(...remove.map((chain) => `:${chain} - [0:0]`));
  rules.push(...remove.map((chain) => `-X ${chain}`));
  end();
  return inputs;
}
