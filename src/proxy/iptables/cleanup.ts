import type { Iptables } from '../../kernel/iptables.ts';
import type { Family } from '../plan.ts';
import { TABLES } from './family.ts';
import { isOwnChain } from './names.ts';
import { readChains, targetOfRule } from './read.ts';
import { restoreInputs } from './restore.ts';

/** Removes the chains of Services, and every rule that leads to one; what others have in the tables stays. */
export async function cleanupFamily(iptables: Iptables, family: Family): Promise<void> {
  for (const table of TABLES) {
    const found = readChains(await iptables.save(family, table));
    const remove = [...found.keys()].filter(isOwnChain);
    if (remove.length === 0) continue;
    const lines: string[] = [];
    for (const [chain, rules] of found) {
      if (isOwnChain(chain)) continue;
      for (const rule of rules) if (isOwnChain(targetOfRule(rule) ?? '')) lines.push(`-D ${chain} ${rule}`);
    }
    for (const input of restoreInputs(table, { write: new Map(), remove, lines }))
      await iptables.restore(family, input);
  }
}
