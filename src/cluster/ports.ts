import { createServer, type Server } from 'node:net';
import { KnitError } from '../base/errors.ts';
import { tryRun } from '../kernel/run.ts';

/** The port of the API server on the host's loopback where nobody asks for another. */
const usualPort = 6443;

/** A listening socket that is made here and handed to another process, whatever namespaces that is in. */
export interface ListeningSocket {
  readonly port: number;
  readonly fd: number;
  close(): void;
}

/**
 * Listens on the host's loopback for the API server, and behind it for each of `published`. Throws `PORT_IN_USE`; then
 * nothing listens.
 */
export async function listenForCluster(
  apiPort: number | undefined,
  published: readonly number[],
): Promise<readonly [api: ListeningSocket, ...published: ListeningSocket[]]> {
  const api = await listenOnLoopback(apiPort, '--api-port');
  const rest = await Promise.allSettled(published.map((port) => listenOnLoopback(port, '--publish')));
  const failed = rest.find((each) => each.status === 'rejected');
  const opened = rest.flatMap((each) => (each.status === 'fulfilled' ? [each.value] : []));
  if (!failed) return [api, ...opened];
  closeAll([api, ...opened]);
  throw failed.reason;
}

export function closeAll(sockets: readonly ListeningSocket[]): void {
  for (const socket of sockets) socket.close();
}

/**
 * Listens on the host's loopback. Where `asked` is undefined and the usual port is taken, any free one will do.
 * Throws `PORT_IN_USE`, with who has it.
 */
async function listenOnLoopback(asked: number | undefined, flag: string): Promise<ListeningSocket> {
  try {
    return await listen(asked ?? usualPort);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EADDRINUSE') throw error;
    if (asked === undefined) return await listen(0);
    throw new KnitError(
      'PORT_IN_USE',
      `port ${asked} is taken${await ownerOf(asked)}`,
      `stop it, or choose another port with ${flag}`,
    );
  }
}

async function listen(port: number): Promise<ListeningSocket> {
  const server: Server & { _handle?: { fd: number } } = createServer();
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen({ host: '127.0.0.1', port, backlog: 4096 }, resolve);
  });
  const address = server.address();
  if (address === null || typeof address === 'string' || !server._handle) throw new Error('listening gave no address');
  return { port: address.port, fd: server._handle.fd, close: () => server.close() };
}

/** ` by nginx (pid 812)`, where it can be found out. */
async function ownerOf(port: number): Promise<string> {
  const { stdout } = await tryRun('ss', ['-ltnpH', `sport = :${port}`]);
  const [, name, pid] = /users:\(\("([^"]+)",pid=(\d+)/.exec(stdout) ?? [];
  return name ? ` by ${name} (pid ${pid})` : '';
}
