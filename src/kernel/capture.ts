import { startAttached, untilSaid } from './attached.ts';

/** A packet that an interface of a network namespace sent or received. */
export interface CapturedPacket {
  /** The kernel's stamp, ns since the epoch: one clock for all namespaces. */
  readonly at: bigint;
  /** The interface's number in its namespace. */
  readonly interface: number;
  readonly direction: 'in' | 'out';
  /** With the capture's own header before it (LINKTYPE_LINUX_SLL2). */
  readonly frame: Buffer;
  /** The frame from its IP header on. */
  readonly bytes: Buffer;
  /** What of the frame there was on the wire; more than is here where it was cut. */
  readonly length: number;
}

export interface Capture {
  /** Ends it; tells how many packets the kernel could not hand over. */
  stop(): Promise<{ readonly lost: number }>;
}

export interface CaptureOptions {
  /** What comes before a command to run it in the namespace. */
  readonly enter: readonly string[];
  /** pcap-filter(7). */
  readonly filter: string;
  onPacket(packet: CapturedPacket): void;
}

/** Of each packet: enough for the headers, a DNS answer or the head of an HTTP request. */
const SNAP_LENGTH = 1600;

/**
 * Captures on all interfaces of a network namespace, the loopback included; resolves when it listens. Throws
 * `CAPTURE_FAILED`.
 */
export async function openCapture({ enter, filter, onPacket }: CaptureOptions): Promise<Capture> {
  const flags = ['-i', 'any', '-y', 'LINUX_SLL2', '--time-stamp-precision=nano', '--immediate-mode', '-U', '-n'];
  const tcpdump = startAttached([
    ...enter,
    'tcpdump',
    ...flags,
    '-Z',
    'root',
    '-s',
    `${SNAP_LENGTH}`,
    '-w',
    '-',
    filter,
  ]);
  const read = pcapReader(onPacket);
  tcpdump.child.stdout?.on('data', read);
  await untilSaid(tcpdump, /listening on/, 'tcpdump');
  return {
    async stop() {
      const said = await tcpdump.stop('SIGINT');
      return { lost: Number(/(\d+) packets? dropped by kernel/.exec(said)?.[1] ?? 0) };
    },
  };
}

const FILE_HEADER = 24;
const RECORD_HEADER = 16;
/** LINKTYPE_LINUX_SLL2: protocol, reserved, interface, ARPHRD type, packet type, address. */
const LINK_HEADER = 20;
const PACKET_OUTGOING = 4;
const ETHERTYPES = new Set([0x0800, 0x86dd]);

/** Reads a pcap stream with nanosecond stamps, as tcpdump writes it on a little-endian machine. */
export function pcapReader(onPacket: (packet: CapturedPacket) => void): (chunk: Buffer) => void {
  let rest: Buffer = Buffer.alloc(0);
  let skip = FILE_HEADER;
  return (chunk) => {
    rest = rest.length === 0 ? chunk : Buffer.concat([rest, chunk]);
    if (rest.length < skip) return;
    let at = skip;
    skip = 0;
    while (rest.length >= at + RECORD_HEADER) {
      const captured = rest.readUInt32LE(at + 8);
      const end = at + RECORD_HEADER + captured;
      if (rest.length < end) break;
      const packet = packetOf(rest.subarray(at, end));
      if (packet) onPacket(packet);
      at = end;
    }
    rest = Buffer.from(rest.subarray(at));
  };
}

function packetOf(record: Buffer): CapturedPacket | undefined {
  const link = Buffer.from(record.subarray(RECORD_HEADER));
  if (!ETHERTYPES.has(link.readUInt16BE(0))) return undefined;
  return {
    at: BigInt(record.readUInt32LE(0)) * 1_000_000_000n + BigInt(record.readUInt32LE(4)),
    interface: link.readUInt32BE(4),
    direction: link[10] === PACKET_OUTGOING ? 'out' : 'in',
    frame: link,
    bytes: link.subarray(LINK_HEADER),
    length: record.readUInt32LE(12),
  };
}
