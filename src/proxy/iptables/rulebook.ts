import { familyOf } from '../../base/cidr.ts';
import { withoutContained } from '../../base/prefixes.ts';
import type { IptablesTable } from '../../kernel/iptables.ts';
import type { PlanSource } from '../backend.ts';
import type { Family, NodeFacts, PlanEntry } from '../plan.ts';
import { baseChains, nodePortsRules, type Tables } from './base.ts';
import { type EntryRules, entryRules, type SharedRule, type Surroundings } from './entry.ts';
import { EXTERNAL_SERVICES, FIREWALL, HOSTPORTS, NODEPORTS, SERVICES } from './names.ts';
import { prefix } from './rules.ts';

interface Rendered {
  readonly entry: PlanEntry;
  readonly rules: EntryRules;
}

/** Chains that all entries share; none jumps to a later one. */
const SHARED_CHAINS: Readonly<Record<IptablesTable, readonly string[]>> = {
  filter: [NODEPORTS, SERVICES, EXTERNAL_SERVICES, FIREWALL],
  nat: [HOSTPORTS, NODEPORTS, SERVICES],
};

/** Chains whose text is another, or that are gone: `undefined`. */
type TouchedChains = Readonly<Record<IptablesTable, Map<string, readonly string[] | undefined>>>;

export interface Touched extends TouchedChains {
  /** Something is refused or dropped that was not before. */
  readonly refusesMore: boolean;
}

/** What the chains of one family should be, kept up with the plan. Knows nothing of the kernel. */
export class Rulebook {
  readonly #family: Family;
  readonly #rendered = new Map<string, Rendered>();
  #around: Surroundings;
  /** As they were last, to see which of them a change touches. */
  #shared: Tables;

  constructor(family: Family, plan: PlanSource, node: NodeFacts) {
    this.#family = family;
    this.#around = surroundings(family, node);
    for (const entry of plan.values()) this.#render(entry);
    this.#shared = this.#sharedChains();
  }

  /** Every chain, in an order in which none jumps to a later one. */
  chains(): Tables {
    const { filter, nat } = baseChains(this.#around.clusterCIDRs);
    for (const { rules } of this.#rendered.values()) for (const [chain, text] of rules.chains) nat.set(chain, text);
    for (const [chain, text] of this.#shared.nat) nat.set(chain, text);
    for (const [chain, text] of this.#shared.filter) filter.set(chain, text);
    return { filter, nat };
  }

  update(changes: ReadonlyMap<string, PlanEntry | undefined>): Touched {
    const touched: TouchedChains = { filter: new Map(), nat: new Map() };
    let sharedChanged = false;
    for (const [key, entry] of changes) {
      const before = this.#rendered.get(key);
      if (entry) this.#render(entry);
      else this.#rendered.delete(key);
      const after = this.#rendered.get(key);
      for (const [chain, text] of after?.rules.chains ?? []) {
        if (!same(before?.rules.chains.get(chain), text)) touched.nat.set(chain, text);
      }
      for (const chain of before?.rules.chains.keys() ?? []) {
        if (!after?.rules.chains.has(chain)) touched.nat.set(chain, undefined);
      }
      sharedChanged ||= entry?.createdAt !== before?.entry.createdAt || !sameShared(before?.rules, after?.rules);
    }
    const refusesMore = sharedChanged && this.#touchShared(touched);
    return { ...touched, refusesMore };
  }

  /** Renders everything anew; what it touches is for the caller to find in {@link chains}. */
  setNode(node: NodeFacts): void {
    this.#around = surroundings(this.#family, node);
    for (const { entry } of this.#rendered.values()) this.#render(entry);
    this.#shared = this.#sharedChains();
  }

  #render(entry: PlanEntry): void {
    this.#rendered.set(entry.key, { entry, rules: entryRules(entry, this.#around) });
  }

  /** Says whether `filter` has a rule that it had not. */
  #touchShared(touched: TouchedChains): boolean {
    const before = this.#shared;
    this.#shared = this.#sharedChains();
    let more = false;
    for (const table of ['filter', 'nat'] as const) {
      for (const [chain, text] of this.#shared[table]) {
        const old = before[table].get(chain) ?? [];
        if (same(old, text)) continue;
        touched[table].set(chain, text);
        const known = new Set(old);
        more ||= table === 'filter' && text.some((rule) => !known.has(rule));
      }
    }
    return more;
  }

  /** Of two entries that claim one address and port the older has it. */
  #sharedChains(): Tables {
    const tables: Record<IptablesTable, Map<string, string[]>> = { filter: new Map(), nat: new Map() };
    for (const table of ['filter', 'nat'] as const) {
      for (const chain of SHARED_CHAINS[table]) tables[table].set(chain, []);
    }
    const owners = new Map<string, string>();
    const last = new Map<string, SharedRule>();
    for (const { entry, rules } of [...this.#rendered.values()].sort(byAge)) {
      for (const shared of rules.shared) {
        const owner = owners.get(shared.claim);
        if (owner !== undefined && owner !== entry.key) continue;
        owners.set(shared.claim, entry.key);
        if (shared.last) last.set(shared.claim, shared);
        else tables[shared.table].get(shared.chain)?.push(shared.rule);
      }
    }
    for (const { table, chain, rule } of last.values()) tables[table].get(chain)?.push(rule);
    tables.nat.get(SERVICES)?.push(...nodePortsRules(this.#family, this.#around.nodePortAddresses));
    return tables;
  }
}

function byAge(a: Rendered, b: Rendered): number {
  const [x, y] = [`${a.entry.createdAt} ${a.entry.key}`, `${b.entry.createdAt} ${b.entry.key}`];
  return x < y ? -1 : x > y ? 1 : 0;
}

export function same(a: readonly string[] | undefined, b: readonly string[] | undefined): boolean {
  if (a === b || !a || !b) return a === b;
  return a.length === b.length && a.every((line, index) => line === b[index]);
}

function sameShared(a: EntryRules | undefined, b: EntryRules | undefined): boolean {
  const lines = (rules: EntryRules | undefined) => rules?.shared.map(lineOf) ?? [];
  return same(lines(a), lines(b));
}

const lineOf = ({ table, chain, rule }: SharedRule) => `${table} ${chain} ${rule}`;

function surroundings(family: Family, node: NodeFacts): Surroundings {
  const ofFamily = (prefix: string) => familyOf(prefix.split('/')[0] ?? '') === family;
  return {
    family,
    clusterCIDRs: withoutContained(node.clusterCIDRs.filter(ofFamily)).map(prefix),
    nodeAddresses: node.addresses.filter(ofFamily),
    nodePortAddresses: node.nodePortAddresses?.filter(ofFamily),
  };
}
