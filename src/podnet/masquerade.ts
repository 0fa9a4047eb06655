import { isIPv6 } from 'node:net';
import { withoutContained } from '../base/prefixes.ts';

export interface EgressOptions {
  /** This node's pods. */
  readonly podCIDRs: readonly string[];
  /** Destinations that know pods by their own addresses: all pods, and what else has routes to them. */
  readonly directCIDRs: readonly string[];
}

export const EGRESS_TABLE = 'knit-egress';

/**
 * Rules that give a pod's packet the node's address where it leaves the cluster. A packet that `dnat` translated is
 * the business of Services' rules; whoever masquerades first has it.
 */
export function egressRules({ podCIDRs, directCIDRs }: EgressOptions): string {
  return (['ip', 'ip6'] as const)
    .map((family) => {
      const own = podCIDRs.filter((cidr) => isOf(family, cidr));
      const direct = withoutContained([...own, ...directCIDRs.filter((cidr) => isOf(family, cidr))]);
      const table = `${family} ${EGRESS_TABLE}`;
      const remove = `add table ${table}\ndelete table ${table}\n`;
      if (own.length === 0) return remove;
      return `${remove}table ${table} {
 comment "knit: pods leave the cluster under their node's address"
 chain postrouting { type nat hook postrouting priority 101;
  ${family} saddr { ${own.join(', ')} } ${family} daddr != { ${direct.join(', ')} } fib daddr type != { local, multicast, broadcast } masquerade fully-random
 }
}
`;
    })
    .join('');
}

function isOf(family: 'ip' | 'ip6', cidr: string): boolean {
  return isIPv6(cidr.split('/')[0] ?? '') === (family === 'ip6');
}
