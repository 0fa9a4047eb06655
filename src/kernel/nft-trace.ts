import { createLog } from '../base/log.ts';
import { onLine, startAttached, untilListening } from './attached.ts';
import { openNft } from './nft.ts';

/** What one base chain did with one packet: the rules that matched, in order, and how it ended. */
export interface ChainWalk {
  /** `ip knit` */
  readonly table: string;
  /** The base chain. */
  readonly chain: string;
  readonly packet: TracedPacket;
  readonly rules: readonly TracedRule[];
  /** `accept`, `drop`, … of a rule or of the chain's policy; undefined while it is not known. */
  readonly verdict?: string;
}

/** The packet as it came into the chain: earlier chains may have translated it. */
export interface TracedPacket {
  readonly in?: string;
  readonly out?: string;
  readonly source: string;
  readonly destination: string;
  readonly sourcePort?: number;
  readonly destinationPort?: number;
  readonly ttl: number;
  /** IPv4 only. */
  readonly id?: number;
  readonly length: number;
  /** As a number: FIN 1, SYN 2, RST 4, PSH 8, ACK 16. */
  readonly tcpFlags?: number;
}

export interface TracedRule {
  /** The chain that the rule is in: the base chain or one that it led to. */
  readonly chain: string;
  readonly text: string;
  readonly handle: number;
  readonly verdict: string;
}

/** Which packets are traced. The traced flow begins at one of `ends`. */
export interface TracedFlow {
  readonly protocol: 'tcp' | 'udp' | 'icmp';
  /** `address` and port (ICMP: the echo's id) of the side that begins, in this or another namespace. */
  readonly ends: readonly { readonly address: string; readonly port: number }[];
  /** Where the flow may go: address and port (ICMP: no port). */
  readonly targets: readonly { readonly address: string; readonly port?: number }[];
}

export interface NftTrace {
  stop(): Promise<void>;
}

export interface NftTraceOptions {
  /** What comes before a command to run it in the namespace. */
  readonly enter: readonly string[];
  readonly flow: TracedFlow;
  onWalk(walk: ChainWalk): void;
}

/** Our own: its rules choose what is traced, and show that a packet was. */
export const TRACE_TABLE = 'knit-trace';
/**
 * The mark of a probe's packets beyond an SNAT (a DSCP of the local-use pool 3, RFC 2474 §6): masquerade gives them a
 * source port that nobody knows before, and what they are in one namespace is not seen in the next.
 */
export const TRACE_DSCP = 43;
/** Longer than any trace: nft has nothing to do while its table stands. */
const IDLE_MS = 2 ** 31 - 1;

/**
 * Traces the packets of one flow through all rules of a namespace, in both directions; others pass untouched. The table
 * that chooses them goes with the nft that holds it, whatever ends this process.
 */
export async function openNftTrace({ enter, flow, onWalk }: NftTraceOptions): Promise<NftTrace> {
  const nft = openNft({ log: createLog('nft', () => undefined), command: [...enter, 'nft'], idleMs: IDLE_MS });
  const monitor = startAttached([...enter, 'nft', '-a', 'monitor', 'trace']);
  onLine(monitor, walkReader(onWalk));
  const stop = async () => void (await Promise.all([nft.stop(), monitor.stop()]));
  try {
    await Promise.all([untilListening(monitor, 'nft monitor'), nft.apply(traceRules(flow))]);
  } catch (error) {
    await stop();
    throw error;
  }
  return { stop };
}

/** Both families, where the flow has addresses in them. A line is a command: `nft -i` reads no blocks. */
export function traceRules(flow: TracedFlow): string {
  return (['ip', 'ip6'] as const)
    .filter((family) => flow.ends.some(({ address }) => familyOf(address) === family))
    .map((family) => familyRules(family, flow))
    .join('\n');
}

function familyRules(ip: 'ip' | 'ip6', flow: TracedFlow): string {
  const table = `${ip} ${TRACE_TABLE}`;
  const words = wordsOf(ip, flow.protocol);
  const { from, to, proto } = words;
  const own = <T extends { readonly address: string }>(list: readonly T[]) =>
    list.filter(({ address }) => familyOf(address) === ip);
  const origins = own(flow.ends).map(
    ({ address, port }) => `${proto} ct original ${ip} saddr ${address} ct original proto-src ${port}`,
  );
  const ends = own(flow.ends).map(({ address, port }) => `${address} . ${port}`);
  const targets = own(flow.targets).map(({ address, port }) => (words.portless ? address : `${address} . ${port}`));
  const commands = [
    `table ${table} { flags owner; }`,
    // Both sides know the flow by the end that began it: as the sender has it, and as each SNAT made it.
    `set ${table} ends { ${words.endType}; flags dynamic; size 4096; }`,
    `set ${table} targets { ${words.targetType}; }`,
    `chain ${table} arrives { type filter hook prerouting priority -350; }`,
    `rule ${table} arrives ${proto} ${ip} dscp ${TRACE_DSCP} ${words.target} @targets add @ends { ${ip} saddr . ${from} }`,
    `rule ${table} arrives ${proto} ${ip} saddr . ${from} @ends meta nftrace set 1`,
    `rule ${table} arrives ${proto} ${ip} daddr . ${to} @ends meta nftrace set 1`,
    // Errors about the flow have addresses of their own.
    `chain ${table} related { type filter hook prerouting priority -199; }`,
    ...origins.map((origin) => `rule ${table} related ct state related ${origin} meta nftrace set 1`),
    `chain ${table} sends { type filter hook output priority -350; }`,
    `rule ${table} sends ${proto} ${ip} saddr . ${from} @ends meta nftrace set 1`,
    `rule ${table} sends ${proto} ${ip} daddr . ${to} @ends meta nftrace set 1`,
    `chain ${table} leaves { type filter hook postrouting priority 400; }`,
    ...origins.map(
      (origin) => `rule ${table} leaves ct direction original ct status snat ${origin} ${ip} dscp set ${TRACE_DSCP}`,
    ),
    `rule ${table} leaves ct direction original ${proto} ${ip} dscp ${TRACE_DSCP} add @ends { ${ip} saddr . ${from} }`,
    ...elements(table, 'ends', ends),
    ...elements(table, 'targets', targets),
  ];
  return commands.map((command) => `add ${command}`).join('\n');
}

/** How a protocol's packets tell who speaks with whom: by ports, or by the echo's id. */
function wordsOf(ip: 'ip' | 'ip6', protocol: TracedFlow['protocol']) {
  const address = ip === 'ip' ? 'ipv4_addr' : 'ipv6_addr';
  if (protocol !== 'icmp') {
    const type = `type ${address} . inet_service`;
    const target = `${ip} daddr . th dport`;
    const proto = `meta l4proto ${protocol}`;
    return { portless: false, from: 'th sport', to: 'th dport', proto, target, endType: type, targetType: type };
  }
  const [id, name] = ip === 'ip' ? ['icmp id', 'icmp'] : ['icmpv6 id', 'ipv6-icmp'];
  const endType = `typeof ${ip} saddr . ${id}`;
  const proto = `meta l4proto ${name}`;
  return { portless: true, from: id, to: id, proto, target: `${ip} daddr`, endType, targetType: `type ${address}` };
}

function elements(table: string, set: string, list: readonly string[]): string[] {
  return list.length === 0 ? [] : [`element ${table} ${set} { ${[...new Set(list)].join(', ')} }`];
}

const familyOf = (address: string) => (address.includes(':') ? 'ip6' : 'ip');

interface OpenWalk extends Omit<ChainWalk, 'rules' | 'verdict'> {
  readonly rules: TracedRule[];
}

const ENDS = /^(accept|drop|reject|stolen|queue)/;

/**
 * Reads lines of `nft -a monitor trace`. Those of one packet carry one id, and each base chain begins with the packet;
 * ids come again with later packets.
 */
export function walkReader(onWalk: (walk: ChainWalk) => void): (line: string) => void {
  const open = new Map<string, OpenWalk>();
  const close = (id: string, verdict: string | undefined) => {
    const walk = open.get(id);
    open.delete(id);
    if (walk) onWalk({ ...walk, ...(verdict === undefined ? {} : { verdict }) });
  };
  return (line) => {
    const [, id = '', family = '', table = '', chain = '', rest = ''] =
      /^trace id (\S+) (\S+) (\S+) (\S+) (.*)$/.exec(line) ?? [];
    if (id === '') return;
    if (rest.startsWith('packet:')) {
      close(id, undefined);
      const packet = parseTracedPacket(rest);
      if (packet) open.set(id, { table: `${family} ${table}`, chain, packet, rules: [] });
      return;
    }
    const policy = /^(?:policy|verdict) (\S+)/.exec(rest)?.[1];
    if (policy !== undefined) return close(id, policy);
    const rule = parseTracedRule(chain, rest);
    if (!rule) return;
    open.get(id)?.rules.push(rule);
    if (ENDS.test(rule.verdict)) close(id, rule.verdict);
  };
}

function parseTracedRule(chain: string, text: string): TracedRule | undefined {
  const [, rule, handle, verdict] = /^rule (.*?)(?: # handle (\d+))? \(verdict ([^)]*)\)\s*$/.exec(text) ?? [];
  if (rule === undefined) return undefined;
  return { chain, text: withoutCounters(rule), handle: Number(handle ?? 0), verdict: verdict ?? '' };
}

const withoutCounters = (rule: string) =>
  rule
    .replaceAll(/counter packets \d+ bytes \d+ ?/g, '')
    .replaceAll(/ {2,}/g, ' ')
    .trim();

const FLAG_BITS: Readonly<Record<string, number>> = { fin: 1, syn: 2, rst: 4, psh: 8, ack: 16, urg: 32 };

/** `packet: iif "eth0" ether saddr … ip saddr … ip ttl 64 ip id 1 ip length 60 tcp sport 1 tcp dport 2 tcp flags == syn` */
export function parseTracedPacket(text: string): TracedPacket | undefined {
  const value = (pattern: RegExp) => pattern.exec(text)?.[1];
  const number = (pattern: RegExp) => {
    const found = value(pattern);
    return found === undefined ? undefined : Number(found);
  };
  const [source, destination] = [value(/ ip6? saddr (\S+)/), value(/ ip6? daddr (\S+)/)];
  if (source === undefined || destination === undefined) return undefined;
  const flags = value(/tcp flags (?:== )?(\S+)/);
  return {
    in: value(/iif "([^"]*)"/),
    out: value(/oif "([^"]*)"/),
    source,
    destination,
    sourcePort: number(/(?:tcp|udp) sport (\d+)/),
    destinationPort: number(/(?:tcp|udp) dport (\d+)/),
    ttl: number(/ ip ttl (\d+)/) ?? number(/ip6 hoplimit (\d+)/) ?? 0,
    id: number(/ ip id (\d+)/),
    length: number(/ ip6? length (\d+)/) ?? 0,
    tcpFlags: flags === undefined ? undefined : flags.startsWith('0x') ? Number(flags) : flagBits(flags),
  };
}

const flagBits = (names: string) => names.split(/[,|]/).reduce((sum, name) => sum + (FLAG_BITS[name.trim()] ?? 0), 0);
