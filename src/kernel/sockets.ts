import { readFileSync } from 'node:fs';

export interface Socket {
  readonly protocol: 'tcp' | 'udp';
  readonly local: SocketAddress;
  /** `0.0.0.0` or `::` and port 0 for one that is not connected. */
  readonly remote: SocketAddress;
  /** It takes connections, or datagrams from anybody. */
  readonly listens: boolean;
}

export interface SocketAddress {
  readonly address: string;
  readonly port: number;
}

const tables = [
  ['tcp', 'tcp'],
  ['tcp6', 'tcp'],
  ['udp', 'udp'],
  ['udp6', 'udp'],
] as const;

/** TCP_LISTEN, and TCP_CLOSE, which is what an unconnected UDP socket has (include/net/tcp_states.h). */
const listening = { tcp: '0A', udp: '07' } as const;

/** All sockets of a process' network namespace (proc(5), `/proc/PID/net/tcp`). */
export function socketsOf(pid: number | 'self'): Socket[] {
  return tables.flatMap(([file, protocol]) =>
    readTable(`/proc/${pid}/net/${file}`).map(([, local = '', remote = '', state = '']) => ({
      protocol,
      local: readAddress(local),
      remote: readAddress(remote),
      listens: state === listening[protocol],
    })),
  );
}

function readTable(path: string): string[][] {
  try {
    const [, ...lines] = readFileSync(path, 'utf8').trim().split('\n');
    return lines.map((line) => line.trim().split(/\s+/));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return []; // a kernel without IPv6
    throw error;
  }
}

/** `0100007F:1F90`: words of four bytes, each in the machine's own order. */
function readAddress(text: string): SocketAddress {
  const [hex = '', port = ''] = text.split(':');
  const bytes = Buffer.concat((hex.match(/.{8}/g) ?? []).map((word) => Buffer.from(word, 'hex').reverse()));
  return { address: formatAddress(bytes), port: Number.parseInt(port, 16) };
}

function formatAddress(bytes: Buffer): string {
  if (bytes.length === 4) return bytes.join('.');
  if (bytes.every((byte) => byte === 0)) return '::';
  if (bytes.subarray(0, 15).every((byte) => byte === 0) && bytes[15] === 1) return '::1';
  // IPv4 in a socket of both families.
  if (bytes.subarray(0, 10).every((byte) => byte === 0) && bytes[10] === 255) return bytes.subarray(12).join('.');
  return (bytes.toString('hex').match(/.{4}/g) ?? []).join(':');
}
