import type { Log } from '../../base/log.ts';
import type { Nft } from '../../kernel/nft.ts';
import type { Family, PlanChanges, PolicyPlan } from '../plan.ts';
import { tableName } from './ruleset.ts';
import { PolicyTable } from './table.ts';

/** One table a family. */
export class PolicyTables {
  readonly #tables: ReadonlyMap<Family, PolicyTable>;

  constructor(families: readonly Family[], nft: Nft, log: Log) {
    this.#tables = new Map(families.map((family) => [family, new PolicyTable(family, nft, log)]));
  }

  /** Removes everything that policies ever write. */
  static async remove(nft: Nft): Promise<void> {
    const names = (['ipv4', 'ipv6'] as const).map(tableName);
    await nft.apply(names.map((name) => `add table ${name}\ndelete table ${name}`).join('\n'));
  }

  async load(plan: PolicyPlan): Promise<void> {
    for (const table of this.#tables.values()) await table.load(plan);
  }

  /** Returns whether something is no longer admitted that was before. */
  async update(plan: PolicyPlan, changes: PlanChanges): Promise<boolean> {
    let tightened = false;
    for (const table of this.#tables.values()) tightened = (await table.update(plan, changes)) || tightened;
    return tightened;
  }

  /** Compares the kernel with what was written and mends it. Says what was wrong. */
  async audit(): Promise<string | undefined> {
    const wrong: string[] = [];
    for (const [family, table] of this.#tables) {
      const found = await table.audit();
      if (found) wrong.push(`${tableName(family)}: ${found}`);
    }
    return wrong.length > 0 ? wrong.join('; ') : undefined;
  }
}
