import type { IptablesTable } from '../../kernel/iptables.ts';
import type { Family } from '../plan.ts';
import {
  EXTERNAL_SERVICES,
  FIREWALL,
  FORWARD,
  HOSTPORTS,
  MARK_MASQ,
  MARK_OUTSIDE,
  NODEPORTS,
  POSTROUTING,
  SERVICES,
} from './names.ts';
import { comment, prefix } from './rules.ts';

/** Rules by their chain, without `-A CHAIN`, in an order in which no chain jumps to a later one. */
export type Chains = Map<string, readonly string[]>;
export type Tables = Readonly<Record<IptablesTable, Chains>>;

/** kube-proxy's default, bit 14. */
const MASQUERADE_MARK = '0x4000';

/** Chains that are the same whatever Services there are, and come before the chains of Services. */
export function baseChains(clusterCIDRs: readonly string[]): Tables {
  const marked = `-m mark --mark ${MASQUERADE_MARK}/${MASQUERADE_MARK}`;
  return {
    filter: new Map([
      [
        FORWARD,
        [
          `${comment('kubernetes forwarding rules')} ${marked} -j ACCEPT`,
          `${comment('kubernetes forwarding conntrack rule')} -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT`,
        ],
      ],
    ]),
    nat: new Map([
      [MARK_MASQ, [`-j MARK --set-xmark ${MASQUERADE_MARK}/${MASQUERADE_MARK}`]],
      ...(clusterCIDRs.length > 1
        ? [
            [
              MARK_OUTSIDE,
              [...clusterCIDRs.map((cidr) => `-s ${prefix(cidr)} -j RETURN`), `-j ${MARK_MASQ}`],
            ] satisfies [string, string[]],
          ]
        : []),
      [
        POSTROUTING,
        [
          `-m mark ! --mark ${MASQUERADE_MARK}/${MASQUERADE_MARK} -j RETURN`,
          // Off again: a packet that goes through the stack twice must not be masked twice.
          `-j MARK --set-xmark ${MASQUERADE_MARK}/0x0`,
          `${comment('kubernetes service traffic requiring SNAT')} -j MASQUERADE --random-fully`,
        ],
      ],
    ]),
  };
}

/**
 * The last rules of `KUBE-SERVICES`: one, or one for each of `addresses` where node ports answer only there. Loopback is
 * left out: its packets would need `route_localnet`.
 */
export function nodePortsRules(family: Family, addresses: readonly string[] | undefined): string[] {
  const note = comment('kubernetes service nodeports; NOTE: this must be the last rule in this chain');
  if (addresses) return addresses.map((address) => `-d ${prefix(address)} ${note} -j ${NODEPORTS}`);
  const loopback = family === 'ipv6' ? '::1/128' : '127.0.0.0/8';
  return [`! -d ${loopback} ${note} -m addrtype --dst-type LOCAL -j ${NODEPORTS}`];
}

/** A rule in a chain of the kernel's that leads to one of ours. */
export interface Jump {
  readonly table: IptablesTable;
  readonly chain: string;
  readonly rule: string;
}

const NEW = '-m conntrack --ctstate NEW ';
const jump = (table: IptablesTable, chain: string, target: string, said: string, match = ''): Jump => ({
  table,
  chain,
  rule: `${match}${comment(said)} -j ${target}`,
});
const portals = 'kubernetes service portals';
const external = 'kubernetes externally-visible service portals';
const firewall = 'kubernetes load balancer firewall';
const hostPorts = (chain: string): Jump => ({
  table: 'nat',
  chain,
  rule: `${comment('kube hostport portals')} -m addrtype --dst-type LOCAL -j ${HOSTPORTS}`,
});

/** Where each chain begins; of one chain the first here stands first. */
export const jumps: readonly Jump[] = [
  jump('filter', 'INPUT', FIREWALL, firewall, NEW),
  jump('filter', 'INPUT', NODEPORTS, 'kubernetes health check service ports'),
  jump('filter', 'INPUT', EXTERNAL_SERVICES, external, NEW),
  jump('filter', 'FORWARD', FIREWALL, firewall, NEW),
  jump('filter', 'FORWARD', FORWARD, 'kubernetes forwarding rules'),
  jump('filter', 'FORWARD', SERVICES, portals, NEW),
  jump('filter', 'FORWARD', EXTERNAL_SERVICES, external, NEW),
  jump('filter', 'OUTPUT', FIREWALL, firewall, NEW),
  jump('filter', 'OUTPUT', SERVICES, portals, NEW),
  hostPorts('PREROUTING'),
  jump('nat', 'PREROUTING', SERVICES, portals),
  hostPorts('OUTPUT'),
  jump('nat', 'OUTPUT', SERVICES, portals),
  jump('nat', 'POSTROUTING', POSTROUTING, 'kubernetes postrouting rules'),
];
