import { isIPv6 } from 'node:net';
import { withoutContained } from '../base/prefixes.ts';

export interface EgressOptions {
  /** This node's pods. */
  readonly podCIDRs: readonly string[];
  /** Destinations that know pods by their own addresses: all pods, and what else has routes to them. */
  readonly directCIDRs: readonly string[];
  /** Interface of the tunnels to other nodes, where there are any: what the node itself sends there has its address. */
  readonly tunnel?: string;
}

export const EGRESS_TABLE = 'knit-egress';

/**
 * Rules that give a pod's packet the node's address where it leaves the cluster. A packet that `dnat` translated is
 * the business of Services' rules; whoever masquerades first has it. What a node sends to a Service has the address of
 * the interface that leads to everybody: where it is then tunnelled to a pod, the answer would come past the tunnel.
 * Who asks through a tunnel for a pod that is gone hears so at once, and can ask another.
 */
export function egressRules({ podCIDRs, directCIDRs, tunnel }: EgressOptions): string {
  return (['ip', 'ip6'] as const)
    .map((family) => {
      const own = podCIDRs.filter((cidr) => isOf(family, cidr));
      const direct = withoutContained([...own, ...directCIDRs.filter((cidr) => isOf(family, cidr))]);
      const table = `${family} ${EGRESS_TABLE}`;
      const remove = `add table ${table}\ndelete table ${table}\n`;
      if (own.length === 0) return remove;
      const pods = `{ ${own.join(', ')} }`;
      // Nothing comes back of what the fabric is asked for, since it knows no pods.
      const unknown = `iifname "${tunnel}" ${family} daddr ${pods} oifname != "veth*" reject with ${unreachable[family]}`;
      const rules = [
        `${family} saddr ${pods} ${family} daddr != { ${direct.join(', ')} } fib daddr type != { local, multicast, broadcast } masquerade fully-random`,
        ...(tunnel
          ? [`oifname "${tunnel}" fib saddr type local ${family} saddr != ${pods} masquerade fully-random`]
          : []),
      ];
      return `${remove}table ${table} {
 comment "knit: pods leave the cluster under their node's address"
 chain postrouting { type nat hook postrouting priority 101;
  ${rules.join('\n  ')}
 }
${tunnel ? ` chain forward { type filter hook forward priority filter;\n  ${unknown}\n }\n` : ''}}
`;
    })
    .join('');
}

const unreachable = { ip: 'icmp host-unreachable', ip6: 'icmpv6 addr-unreachable' } as const;

function isOf(family: 'ip' | 'ip6', cidr: string): boolean {
  return isIPv6(cidr.split('/')[0] ?? '') === (family === 'ip6');
}
