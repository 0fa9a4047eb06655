import { onLine, startAttached, untilListening } from './attached.ts';

/** Addresses and ports of one direction. ICMP has the echo's id as both ports. */
export interface ConntrackTuple {
  readonly source: string;
  readonly destination: string;
  readonly sourcePort: number;
  readonly destinationPort: number;
}

/** A connection as conntrack tells of it: where `reply` is not `original` turned round, addresses were translated. */
export interface ConntrackEvent {
  readonly kind: 'new' | 'destroy';
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

/** `[NEW] tcp 6 120 SYN_SENT src=… dst=… sport=… dport=… [UNREPLIED] src=… dst=… sport=… dport=… id=…` */
export function parseConntrackEvent(line: string): ConntrackEvent | undefined {
  const [, kind, protocol] = /\[(NEW|DESTROY)\]\s+(\S+)/.exec(line) ?? [];
  const id = /\bid=(\d+)\s*$/.exec(line.trim())?.[1];
  if (!kind || !protocol || id === undefined) return undefined;
  const fields = [...line.matchAll(/\b(src|dst|sport|dport|id)=(\S+)/g)];
  const second = fields.findIndex(([, name], index) => index > 0 && name === 'src');
  const [original, reply] = [tupleOf(fields.slice(0, second)), tupleOf(fields.slice(second))];
  return original && reply && { kind: kind === 'NEW' ? 'new' : 'destroy', id: Number(id), protocol, original, reply };
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
