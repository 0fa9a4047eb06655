import { createSocket } from 'node:dgram';
import { createServer, isIPv6, type Server, type Socket } from 'node:net';
import { KnitError } from '../base/errors.ts';
import type { Log } from '../base/log.ts';
import type { Running } from '../base/running.ts';
import { frame, Unframer } from './framing.ts';
import type { Resolver } from './resolve.ts';

/** A TCP client that says nothing for this long is cut off (RFC 7766 §6.2.3 wants seconds). */
const idleMs = 10_000;
const maxConnections = 1000;
/** Bytes of answers that may wait for one client to take them. */
const maxUnread = 1 << 20;
/** Room for a burst while something else is done, in bytes. */
const receiveBytes = 1 << 20;

export interface DnsServerOptions {
  readonly resolver: Resolver;
  readonly log: Log;
  /** Address to listen on; `::` takes both families. Default `0.0.0.0`. */
  readonly address?: string;
  /** For UDP and TCP alike; 0 takes a free one. */
  readonly port: number;
}

export interface DnsServer extends Running {
  readonly port: number;
}

/** Listens on UDP and TCP; resolves when both do. */
export async function startDnsServer(options: DnsServerOptions): Promise<DnsServer> {
  const address = options.address ?? '0.0.0.0';
  const tcp = await listenTcp(options, address);
  const listening = tcp.server.address();
  const port = typeof listening === 'object' && listening ? listening.port : options.port;
  try {
    const udp = await listenUdp(options, address, port);
    let stopped: Promise<void> | undefined;
    return {
      port,
      stop: () => {
        stopped ??= Promise.all([udp.close(), tcp.close()]).then(() => undefined);
        return stopped;
      },
    };
  } catch (error) {
    await tcp.close();
    throw error;
  }
}

interface Listener {
  close(): Promise<void>;
}

function listenUdp(options: DnsServerOptions, address: string, port: number): Promise<Listener> {
  const { resolver, log } = options;
  const type = isIPv6(address) ? 'udp6' : 'udp4';
  const socket = createSocket({ type, recvBufferSize: receiveBytes, lookup: asItIs(type) });
  let open = true;
  socket.on('message', (message, { address: from, port: fromPort }) => {
    // Nobody can be answered there; only a forger sends from it.
    if (fromPort === 0) return;
    resolver.resolve({
      message,
      protocol: 'udp',
      from: plainAddress(from),
      reply: (answer) => {
        // The socket may be closed while an upstream was asked. An answer that cannot be delivered is the asker's to
        // ask for again: without a callback nobody is told.
        if (open) socket.send(answer, fromPort, from);
      },
    });
  });
  const close = () => {
    open = false;
    return new Promise<void>((resolve) => socket.close(() => resolve()));
  };
  return new Promise((resolve, reject) => {
    socket.once('error', (error) => reject(listenError(error, address, port)));
    socket.bind(port, address, () => {
      socket.removeAllListeners('error');
      socket.on('error', (error) => log.warn('udp socket', { reason: error }));
      resolve({ close });
    });
  });
}

type Lookup = (
  address: string,
  options: unknown,
  found: (error: null, address: string, family: number) => void,
) => void;

/** Where answers go is an address already. Node's own lookup takes a turn of the event loop to find that out. */
function asItIs(type: 'udp4' | 'udp6'): Lookup {
  const family = type === 'udp6' ? 6 : 4;
  return (address, _options, found) => found(null, address, family);
}

/** IPv4 as a socket for both families has it: `::ffff:10.0.0.1`. */
function plainAddress(address: string): string {
  return address.startsWith('::ffff:') ? address.slice(7) : address;
}

/** What to do about a port that is taken; other errors as they are. */
export function listenError(error: NodeJS.ErrnoException, address: string, port: number): Error {
  if (error.code !== 'EADDRINUSE') return error;
  return new KnitError('PORT_IN_USE', `port ${port} of ${address} is taken`, 'choose another port or address');
}

function listenTcp(options: DnsServerOptions, address: string): Promise<Listener & { readonly server: Server }> {
  const connections = new Set<Socket>();
  const server = createServer((socket) => serveConnection(socket, options.resolver, connections));
  server.maxConnections = maxConnections;
  const close = () =>
    new Promise<void>((resolve) => {
      server.close(() => resolve());
      for (const socket of connections) socket.destroy();
    });
  return new Promise((resolve, reject) => {
    server.once('error', (error) => reject(listenError(error, address, options.port)));
    server.listen(options.port, address, () => {
      server.removeAllListeners('error');
      server.on('error', (error) => options.log.warn('tcp server', { reason: error }));
      resolve({ server, close });
    });
  });
}

function serveConnection(socket: Socket, resolver: Resolver, connections: Set<Socket>): void {
  const unframer = new Unframer();
  const from = plainAddress(socket.remoteAddress ?? '');
  connections.add(socket);
  socket.setNoDelay(true);
  socket.setTimeout(idleMs, () => socket.destroy());
  socket.on('close', () => connections.delete(socket));
  // A reset is the client's way to leave; 'close' follows.
  socket.on('error', () => socket.destroy());
  socket.on('data', (data) => {
    for (const message of unframer.push(data))
      resolver.resolve({
        message,
        protocol: 'tcp',
        from,
        reply: (answer) => {
          if (!socket.writable) return;
          // Who asks on and does not listen would fill our memory with answers.
          if (socket.writableLength > maxUnread) socket.destroy();
          else socket.write(frame(answer));
        },
      });
  });
}
