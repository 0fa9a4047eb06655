import { groupsOf } from '../base/cidr.ts';
import type { VirtualPort } from '../trace/explain/kernel.ts';

/** Runs a command on a node; never throws for its exit code. */
export type InNode = (node: string, ...command: string[]) => Promise<{ code: number; stdout: string }>;

export interface Pin {
  readonly address: string;
  readonly port: number;
}

/** The part of a class id that is the pool; the rest is how one is chosen of it (`src/proxy/nftables/ruleset.ts`). */
const POOL_BITS = 0xffff_c000;

/** Where the nftables mode's map of clients keeps one. */
export async function pinnedByNft(
  inNode: InNode,
  node: string,
  client: string,
  { address, protocol, port }: VirtualPort,
): Promise<Pin | undefined> {
  const family = address.includes(':') ? 'ip6' : 'ip';
  const value = async (map: string, key: string) => {
    const { stdout } = await inNode(node, 'nft', 'get', 'element', family, 'knit', map, `{ ${key} }`);
    return / : ([^{}]+?) }/.exec(stdout)?.[1];
  };
  const group = await value('vip', `${address} . ${protocol} . ${port}`);
  const endpoint = group && (await value('aff', `${poolOf(group)} . ${clientKey(client)}`));
  const [, to, toPort] = /^(\S+) \. (\d+)$/.exec((endpoint && (await value('ep', endpoint))) || '') ?? [];
  return to === undefined ? undefined : { address: to, port: Number(toPort) };
}

/** An IPv4 address, or the last 96 bits of an IPv6 one: so the rules know a client. */
function clientKey(address: string): string {
  if (!address.includes(':')) return address;
  const groups = groupsOf(address).slice(2);
  return `0x${groups.map((group) => group.toString(16).padStart(4, '0')).join('')}`;
}

/** `1:6000` → `1:4000`: class ids are hexadecimal. */
function poolOf(group: string): string {
  const [major = '0', minor = '0'] = group.split(':');
  const pool = ((Number.parseInt(major, 16) << 16) | Number.parseInt(minor, 16)) & POOL_BITS;
  return `${(pool >>> 16).toString(16)}:${(pool & 0xffff).toString(16)}`;
}

/** Where the lists of recent clients of the iptables mode keep one. `rules` are those of the table nat, as saved. */
export async function pinnedByRecent(
  inNode: InNode,
  node: string,
  client: string,
  { address, protocol, port }: VirtualPort,
  rules: readonly string[],
): Promise<Pin | undefined> {
  const service = rules.find(
    (rule) =>
      rule.includes(`-d ${address}/`) &&
      rule.includes(`-p ${protocol} `) &&
      / -j KUBE-SVC-\S+$/.test(rule) &&
      rule.includes(`--dport ${port} `),
  );
  const chain = /-j (KUBE-SVC-\S+)$/.exec(service ?? '')?.[1];
  for (const rule of rules) {
    const [, list, target] = /--rcheck .*--name (\S+) .*-j (\S+)$/.exec(rule) ?? [];
    if (!rule.startsWith(`-A ${chain} `) || list === undefined) continue;
    const { stdout } = await inNode(node, 'cat', `/proc/net/xt_recent/${list}`);
    if (!stdout.includes(`src=${client} `)) continue;
    const translation = rules.find((each) => each.startsWith(`-A ${target} `) && each.includes('--to-destination '));
    const [, to, toPort] = /--to-destination \[?([^\s\]]+)\]?:(\d+)/.exec(translation ?? '') ?? [];
    if (to !== undefined) return { address: to, port: Number(toPort) };
  }
  return undefined;
}
