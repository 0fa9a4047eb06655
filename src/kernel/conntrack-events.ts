import type { IPFamily } from '../base/cidr.ts';
import { onLine, startAttached, untilListening } from './attached.ts';
import { run } from './run.ts';

/** Addresses and ports of one direction. ICMP has the echo's id as both ports. */
export interface ConntrackTuple {
  readonly source: string;
  readonly destination: string;
  readonly sourcePort: number;
  readonly destinationPort: number;
}

/** A connection as conntrack tells of it: where `reply` is not `original` turned round, addresses were translated. */
export interface ConntrackEvent {
  /** `standing`: it was there before anybody listened. */
  readonly kind: 'new' | 'standing' | 'destroy';
  readonly id: number;
  readonly protocol: string;
  readonly original: ConntrackTuple;
  readonly reply: ConntrackTuple;
}

export interface ConntrackWatch {
  stop(): Promise<void>;
}

/** Tells of each connection that begins or ends in a namespace, within 0.1 ms; resolves when it listens. */
export async function watchConntrack(
  enter: readonly string[],
  onEvent: (event: ConntrackEvent) => void,
): Promise<ConntrackWatch> {
  const child = startAttached([
    ...enter,
    'conntrack',
    '-E',
    '-e',
    'NEW,DESTROY',
    '-o',
    'id',
    '--buffer-size',
    '1048576',
  ]);
  onLine(child, (line) => {
    const event = parseConntrackEvent(line);
    if (event) onEvent(event);
  });
  await untilListening(child, 'conntrack');
  return {
    async stop() {
      await child.stop();
    },
  };
}

/** Connections that stand in a namespace now. `only` are options of conntrack(8) that choose among them. */
export async function standingConnections(
  enter: readonly string[],
  family: IPFamily,
  only: readonly string[] = [],
): Promise<ConntrackEvent[]> {
  const [command = 'conntrack', ...rest] = [...enter, 'conntrack', '-L', '-f', family, '-o', 'id', ...only];
  const text = await run(command, rest);
  return text.split('\n').flatMap((line) => parseStanding(line) ?? []);
}

/** `tcp 6 431999 ESTABLISHED src=… dst=… sport=… dport=… src=… dst=… sport=… dport=… [ASSURED] mark=0 use=1 id=…` */
export function parseStanding(line: string): ConntrackEvent | undefined {
  const protocol = /^(\S+)\s+\d+ /.exec(line)?.[1];
  const connection = protocol && parseConnection(line);
  return connection ? { ...connection, kind: 'standing', protocol } : undefined;
}

/** `[NEW] tcp 6 120 SYN_SENT src=… dst=… sport=… dport=… [UNREPLIED] src=… dst=… sport=… dport=… id=…` */
export function parseConntrackEvent(line: string): ConntrackEvent | undefined {
  const [, kind, protocol] = /\[(NEW|DESTROY)\]\s+(\S+)/.exec(line) ?? [];
  const connection = kind && protocol && parseConnection(line);
  return connection ? { ...connection, kind: kind === 'NEW' ? 'new' : 'destroy', protocol } : undefined;
}

function parseConnection(line: string): Pick<ConntrackEvent, 'id' | 'original' | 'reply'> | undefined {
  const id = /\bid=(\d+)\s*$/.exec(line.trim())?.[1];
  if (id === undefined) return undefined;
  const fields = [...line.matchAll(/\b(src|dst|sport|dport|id)=(\S+)/g)];
  const second = fields.findIndex(([, name], index) => index > 0 && name === 'src');
  const [original, reply] = [tupleOf(fields.slice(0, second)), tupleOf(fields.slice(second))];
  return original && reply && { id: Number(id), original, reply };
}

function tupleOf(fields: readonly RegExpExecArray[]): ConntrackTuple | undefined {
  const value = (name: string) => fields.find((field) => field[1] === name)?.[2];
  const [source, destination] = [value('src'), value('dst')];
  if (source === undefined || destination === undefined) return undefined;
  const echo = value('id') ?? '0';
  return {
    source,
    destination,
    sourcePort: Number(value('sport') ?? echo),
    destinationPort: Number(value('dport') ?? echo),
  };
}
