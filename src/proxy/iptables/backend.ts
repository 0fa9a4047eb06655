import { familyOf } from '../../base/cidr.ts';
import type { Log } from '../../base/log.ts';
import type { Iptables } from '../../kernel/iptables.ts';
import type { Backend } from '../backend.ts';
import type { Family, NodeFacts } from '../plan.ts';
import { cleanupFamily } from './cleanup.ts';
import { FamilyRules } from './family.ts';

/** Services as the chains that kube-proxy makes: iptables, and ip6tables where the node has such an address. */
export function iptablesBackend({ iptables, log }: { readonly iptables: Iptables; readonly log: Log }): Backend {
  const families = new Map<Family, FamilyRules>();
  return {
    async load(plan, node) {
      for (const family of familiesOf(node)) {
        const rules = new FamilyRules(family, iptables, log, plan, node);
        families.set(family, rules);
        await rules.reconcile();
      }
    },
    async update(changes) {
      for (const rules of families.values()) await rules.update(changes);
    },
    async setNode(node) {
      for (const rules of families.values()) await rules.setNode(node);
    },
    async audit() {
      const wrong: string[] = [];
      for (const [family, rules] of families) {
        const found = await rules.reconcile();
        if (found) wrong.push(`${family} ${found}`);
      }
      return wrong.length > 0 ? wrong.join('; ') : undefined;
    },
    async cleanup() {
      for (const family of ['ipv4', 'ipv6'] as const) await cleanupFamily(iptables, family);
    },
  };
}

function familiesOf(node: NodeFacts): readonly Family[] {
  return [...new Set<Family>(['ipv4', ...node.addresses.map(familyOf)])];
}
