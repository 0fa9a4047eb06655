import type { IPFamily } from '../base/cidr.ts';
import { KnitError } from '../base/errors.ts';
import { run, tryRun } from './run.ts';

/** A UDP, TCP or SCTP flow by what its first packet was sent to and what answers it. */
export interface FlowFilter {
  readonly protocol: 'tcp' | 'udp' | 'sctp';
  /** Destination before translation. */
  readonly address: string;
  readonly port: number;
  /** Who answers: the endpoint, or `address` itself where nothing was translated. */
  readonly replyAddress: string;
  readonly replyPort: number;
  /** Who began it. Left out: anybody. */
  readonly source?: string;
  readonly sourcePort?: number;
}

/** A line of the connection tracking table. */
export type TrackedFlow = FlowFilter;

export interface ConntrackOptions {
  /** The command that is conntrack, with what comes before it. Default `conntrack`. */
  readonly command?: readonly string[];
}

/** Deletes all flows that match one of the filters, through one process. Filters that match nothing do no harm. */
export async function deleteFlows(filters: readonly FlowFilter[], options: ConntrackOptions = {}): Promise<void> {
  if (filters.length === 0) return;
  const command = [...(options.command ?? ['conntrack']), '-R', '-'];
  // conntrack opens /dev/stdin, which works for a pipe, and not for the socket that Node gives its children.
  await run('sh', ['-c', 'cat | "$@"', 'sh', ...command], { input: `${filters.map(deleteLine).join('\n')}\n` });
}

function deleteLine(flow: FlowFilter): string {
  const { protocol, address, port, replyAddress, replyPort, source, sourcePort } = flow;
  const family = address.includes(':') ? 'ipv6' : 'ipv4';
  const from = source === undefined ? '' : `--orig-src ${source} `;
  const fromPort = sourcePort === undefined ? '' : `--orig-port-src ${sourcePort} `;
  const original = `${from}${fromPort}--orig-dst ${address} --orig-port-dst ${port}`;
  return `-D -f ${family} -p ${protocol} ${original} --reply-src ${replyAddress} --reply-port-src ${replyPort}`;
}

/** Deletes all flows of a family that carry a mark. Their next packets begin new ones. */
export async function deleteMarkedFlows(mark: number, mask: number, family: IPFamily): Promise<void> {
  // It exits with 1 where there are none.
  const { code, stderr } = await tryRun('conntrack', ['-D', '-f', family, '-m', `${mark}/${mask}`]);
  if (code !== 0 && !/\b0 flow entries/.test(stderr)) {
    throw new KnitError('COMMAND_FAILED', `conntrack -D exited with ${code}: ${stderr.trim()}`);
  }
}

/** All flows of one protocol and family. */
export async function listFlows(
  protocol: FlowFilter['protocol'],
  family: 'ipv4' | 'ipv6',
  options: ConntrackOptions = {},
): Promise<TrackedFlow[]> {
  const [name = 'conntrack', ...prefix] = options.command ?? [];
  const text = await run(name, [...prefix, '-L', '-f', family, '-p', protocol]);
  return text.split('\n').flatMap((line) => parseFlow(protocol, line) ?? []);
}

/** `udp 17 29 src=… dst=… sport=… dport=… [UNREPLIED] src=… dst=… sport=… dport=… …` */
function parseFlow(protocol: FlowFilter['protocol'], line: string): TrackedFlow | undefined {
  const found = [...line.matchAll(/\b(src|dst|sport|dport)=(\S+)/g)].map((match) => match[2] ?? '');
  const [, address, , port, replyAddress, , replyPort] = found;
  if (address === undefined || replyAddress === undefined) return undefined;
  return { protocol, address, port: Number(port), replyAddress, replyPort: Number(replyPort) };
}

/** All TCP, UDP and SCTP flows of one family, each with who began it. */
export async function listAllFlows(
  family: 'ipv4' | 'ipv6',
  options: ConntrackOptions = {},
): Promise<Required<TrackedFlow>[]> {
  const [name = 'conntrack', ...prefix] = options.command ?? [];
  const text = await run(name, [...prefix, '-L', '-f', family]);
  return text.split('\n').flatMap((line) => {
    const protocol = /^(tcp|udp|sctp)\b/.exec(line)?.[1] as FlowFilter['protocol'] | undefined;
    const flow = protocol && parseFlow(protocol, line);
    const [, source, sourcePort] = /\bsrc=(\S+) .*?\bsport=(\d+)/.exec(line) ?? [];
    return flow && source !== undefined ? { ...flow, source, sourcePort: Number(sourcePort) } : [];
  });
}
