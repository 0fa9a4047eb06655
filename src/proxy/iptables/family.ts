import { KnitError } from '../../base/errors.ts';
import type { Log } from '../../base/log.ts';
import type { Iptables, IptablesTable } from '../../kernel/iptables.ts';
import type { PlanSource } from '../backend.ts';
import type { Family, NodeFacts, PlanEntry } from '../plan.ts';
import { jumps } from './base.ts';
import { isOwnChain } from './names.ts';
import { readChains, targetOfRule } from './read.ts';
import { restoreInputs, type TableChange } from './restore.ts';
import { Rulebook, same, type Touched } from './rulebook.ts';

export const TABLES: readonly IptablesTable[] = ['filter', 'nat'];

/** Of mending what is wrong, where somebody else changes it at the same time. */
const MAX_TRIES = 3;

/** The chains of one family: brings the kernel to what the {@link Rulebook} says. */
export class FamilyRules {
  readonly #family: Family;
  readonly #iptables: Iptables;
  readonly #log: Log;
  readonly #book: Rulebook;

  constructor(family: Family, iptables: Iptables, log: Log, plan: PlanSource, node: NodeFacts) {
    this.#family = family;
    this.#iptables = iptables;
    this.#log = log;
    this.#book = new Rulebook(family, plan, node);
  }

  /** Chains of changed entries, and the shared ones where they change: nothing is read. */
  async update(changes: ReadonlyMap<string, PlanEntry | undefined>): Promise<void> {
    const touched = this.#book.update(changes);
    try {
      for (const table of order(touched)) {
        for (const input of restoreInputs(table, changeOf(touched[table]))) {
          await this.#iptables.restore(this.#family, input);
        }
      }
    } catch (error) {
      this.#log.warn('iptables refused a change, comparing everything', { error });
      await this.reconcile();
    }
  }

  async setNode(node: NodeFacts): Promise<void> {
    this.#book.setNode(node);
    await this.reconcile();
  }

  /** Compares the kernel with the book and mends what differs. Says what did. */
  async reconcile(): Promise<string | undefined> {
    for (let tries = 1; ; tries++) {
      try {
        return await this.#reconcileOnce();
      } catch (error) {
        // A chain that somebody deleted between the look and the commit is there again after the next look.
        const refused = error instanceof KnitError && error.code === 'IPTABLES_REFUSED';
        if (!refused || tries === MAX_TRIES) throw error;
      }
    }
  }

  async #reconcileOnce(): Promise<string | undefined> {
    const wanted = this.#book.chains();
    const wrong: string[] = [];
    for (const table of TABLES) {
      const found = readChains(await this.#iptables.save(this.#family, table));
      const change = differenceOf(table, found, wanted[table]);
      const count = change.write.size + change.remove.length + change.lines.length;
      if (count === 0) continue;
      wrong.push(`${table}: ${[...change.write.keys(), ...change.remove, ...change.lines].slice(0, 3).join(', ')}`);
      if (count > 3) wrong.push(`and ${count - 3} more`);
      for (const input of restoreInputs(table, change)) await this.#iptables.restore(this.#family, input);
    }
    return wrong.length > 0 ? wrong.join(' ') : undefined;
  }
}

/**
 * A Service that loses its endpoints is refused before its chains go; where nothing new is refused, chains come before
 * refusals go. So no packet passes untranslated between the two transactions.
 */
function order({ refusesMore }: Touched): readonly IptablesTable[] {
  return refusesMore ? ['filter', 'nat'] : ['nat', 'filter'];
}

function changeOf(touched: ReadonlyMap<string, readonly string[] | undefined>): TableChange {
  const write = new Map<string, readonly string[]>();
  const remove: string[] = [];
  for (const [chain, rules] of touched) {
    if (rules) write.set(chain, rules);
    else remove.push(chain);
  }
  return { write, remove, lines: [] };
}

/** What makes `found` hold the wanted chains, the jumps to them, and no other chain of ours. */
export function differenceOf(
  table: IptablesTable,
  found: ReadonlyMap<string, readonly string[]>,
  wanted: ReadonlyMap<string, readonly string[]>,
): TableChange {
  const write = new Map<string, readonly string[]>();
  for (const [chain, rules] of wanted) if (!same(found.get(chain), rules)) write.set(chain, rules);
  const remove: string[] = [];
  const held = heldByOthers(found);
  for (const [chain, rules] of found) {
    if (!isOwnChain(chain) || wanted.has(chain)) continue;
    if (!held.has(chain)) remove.push(chain);
    else if (rules.length > 0) write.set(chain, []); // the kernel keeps a chain that a foreign rule leads to
  }
  return { write, remove, lines: jumpLines(table, found) };
}

function heldByOthers(found: ReadonlyMap<string, readonly string[]>): Set<string> {
  const held = new Set<string>();
  for (const [chain, rules] of found) {
    if (isOwnChain(chain)) continue;
    for (const rule of rules) held.add(targetOfRule(rule) ?? '');
  }
  return held;
}

/**
 * Each jump once, as it is here, anywhere in its chain: where somebody has put rules before it, they stay there. Other
 * jumps there to the same chain are those of an earlier version.
 */
function jumpLines(table: IptablesTable, found: ReadonlyMap<string, readonly string[]>): string[] {
  const lines: string[] = [];
  // Each comes to the top, so the last goes first.
  for (const jump of jumps.filter((each) => each.table === table).reverse()) {
    const there = found.get(jump.chain)?.filter((rule) => targetOfRule(rule) === targetOfRule(jump.rule)) ?? [];
    const right = there.indexOf(jump.rule);
    if (right < 0) lines.push(`-I ${jump.chain} 1 ${jump.rule}`);
    for (const [index, rule] of there.entries()) if (index !== right) lines.push(`-D ${jump.chain} ${rule}`);
  }
  return lines;
}
