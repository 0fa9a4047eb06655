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
const DSCP = 43;
/** Longer than any trace: nft has nothing to do while its table stands. */
const IDLE_MS = 2 ** 31 - 1;

/**
 * Traces the packets of one flow through all rules of a namespace, in both directions; others pass untouched. The table
 * that chooses them goes with the nft that holds it, whatever ends this process.
 */
export async function openNftTrace({ enter, flow, onWalk }: NftTraceOptions): Promise<NftTrace> {
  const nft = openNft({ log: createLog('nft', () => undefined), command: [...enter, 'nft'], idleMs: IDLE_MS });
  const monitor = startAttached([...enter, 'nft', '-a', 'monitor', 'trace']);
  const read = walkReader(onWalk);
  onLine(monitor, read);
  await Promise.all([untilListening(monitor, 'nft monitor'), nft.apply(traceRules(flow))]);
  return {
    async stop() {
      await Promise.all([nft.stop(), monitor.stop()]);
    },
  };
}

/** Both families: the addresses of the flow say which of them does anything. */
export function traceRules(flow: TracedFlow): string {
  const families = (['ip', 'ip6'] as const).filter((family) =>
    flow.ends.some((end) => familyOf(end.address) === family),
  );
  return families.map((family) => familyRules(family, flow)).join('\n');
}

function familyRules(ip: 'ip' | 'ip6', { protocol, ends, targets }: TracedFlow): string {
  const table = `${ip} ${TRACE_TABLE}`;
  const icmp = ip === 'ip' ? 'icmp' : 'icmpv6';
  const addr = ip === 'ip' ? 'ipv4_addr' : 'ipv6_addr';
  const own = <T extends { readonly address: string }>(list: readonly T[]) =>
    list.filter((e) => familyOf(e.address) === ip);
  const [from, to] = protocol === 'icmp' ? [`${icmp} id`, `${icmp} id`] : ['th sport', 'th dport'];
  const isProtocol =
    protocol === 'icmp' ? `meta l4proto ${ip === 'ip' ? 'icmp' : 'ipv6-icmp'}` : `meta l4proto ${protocol}`;
  const target = protocol === 'icmp' ? `${ip} daddr` : `${ip} daddr . th dport`;
  const matches = [`${ip} saddr . ${from} @ends`, `${ip} daddr . ${to} @ends`];
  const rule = (chain: string, text: string) => `add rule ${table} ${chain} ${text}`;
  const chain = (name: string, hook: string, priority: number) =>
    `add chain ${table} ${name} { type filter hook ${hook} priority ${priority}; }`;
  const origins = own(ends).map(
    ({ address, port }) => `${isProtocol} ct original ${ip} saddr ${address} ${originPort(protocol, port)}`,
  );
  return [
    `add table ${table} { flags owner; }`,
    `add set ${table} ends { type ${addr} . ${protocol === 'icmp' ? 'icmp_id' : 'inet_service'}; flags dynamic; size 4096; }`,
    `add set ${table} targets { type ${protocol === 'icmp' ? addr : `${addr} . inet_service`}; }`,
    chain('arrives', 'prerouting', -350),
    rule('arrives', `${isProtocol} ${ip} dscp ${DSCP} ${target} @targets add @ends { ${ip} saddr . ${from} }`),
    ...matches.map((match) => rule('arrives', `${isProtocol} ${match} meta nftrace set 1`)),
    chain('related', 'prerouting', -199),
    ...origins.map((origin) => rule('related', `ct state related ${origin} meta nftrace set 1`)),
    chain('sends', 'output', -350),
    ...matches.map((match) => rule('sends', `${isProtocol} ${match} meta nftrace set 1`)),
    chain('leaves', 'postrouting', 400),
    ...origins.flatMap((origin) => [
      rule('leaves', `ct direction original ct status snat ${origin} ${ip} dscp set ${DSCP}`),
    ]),
    rule('leaves', `ct direction original ${isProtocol} ${ip} dscp ${DSCP} add @ends { ${ip} saddr . ${from} }`),
    ...elements(
      table,
      'ends',
      own(ends).map(({ address, port }) => `${address} . ${port}`),
    ),
    ...elements(
      table,
      'targets',
      own(targets).map(({ address, port }) => (protocol === 'icmp' ? address : `${address} . ${port}`)),
    ),
  ].join('\n');
}

const originPort = (protocol: TracedFlow['protocol'], port: number) =>
  protocol === 'icmp' ? '' : `ct original proto-src ${port}`;

function elements(table: string, set: string, list: readonly string[]): string[] {
  return list.length === 0 ? [] : [`add element ${table} ${set} { ${[...new Set(list)].join(', ')} }`];
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
  return rule === undefined ? undefined : { chain, text: rule, handle: Number(handle ?? 0), verdict: verdict ?? '' };
}

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
