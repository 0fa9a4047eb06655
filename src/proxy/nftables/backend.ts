import { familyOf } from '../../base/cidr.ts';
import type { Log } from '../../base/log.ts';
import type { Nft } from '../../kernel/nft.ts';
import type { Backend } from '../backend.ts';
import type { Family, NodeFacts } from '../plan.ts';
import { tableName } from './ruleset.ts';
import { ServiceTable } from './table.ts';

/** Services as maps: one table a family that the node has addresses of. */
export function nftablesBackend({ nft, log }: { readonly nft: Nft; readonly log: Log }): Backend {
  const tables = new Map<Family, ServiceTable>();
  const each = async (work: (table: ServiceTable) => Promise<void>) => {
    for (const table of tables.values()) await work(table);
  };
  return {
    async load(plan, node) {
      for (const family of familiesOf(node)) tables.set(family, new ServiceTable(family, nft, log, node));
      await each((table) => table.load(plan.values()));
    },
    update: (changes) => each((table) => table.update(changes)),
    setNode: (node) => each((table) => table.setNode(node)),
    async audit() {
      const wrong: string[] = [];
      for (const [family, table] of tables) {
        const found = await table.audit();
        if (found) wrong.push(`${tableName(family)}: ${found}`);
      }
      return wrong.length > 0 ? wrong.join('; ') : undefined;
    },
    async cleanup() {
      const families: Family[] = ['ipv4', 'ipv6'];
      await nft.apply(
        families.flatMap((f) => [`add table ${tableName(f)}`, `delete table ${tableName(f)}`]).join('\n'),
      );
    },
  };
}

function familiesOf(node: NodeFacts): readonly Family[] {
  return [...new Set<Family>(['ipv4', ...node.addresses.map(familyOf)])];
}
