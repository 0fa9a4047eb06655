import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Duplex } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import type { Context } from '../context.ts';
import { badRequest, toStatusError } from '../errors.ts';
import type { ApiRequest } from '../request.ts';
import { proxyHttp } from './http.ts';
import { type Destination, locate, streamRequestOf } from './locate.ts';
import { kubeletLog } from './stream.ts';
import { proxyUpgrade, refuseWithStatus } from './upgrade.ts';

/** Answers requests for logs and proxies; `false` where the request is for something else. */
export async function answerStream(
  context: Context,
  request: ApiRequest,
  req: IncomingMessage,
  res: ServerResponse,
): Promise<boolean> {
  try {
    const stream = streamRequestOf(request);
    if (!stream) return false;
    const destination = locate(context, request, stream);
    if (stream.kind === 'connect') throw badRequest('Upgrade request required');
    if (!destination) res.writeHead(204).end();
    else if (stream.kind === 'log') await sendLog(destination, res);
    else await sendProxied(destination, request, req, res);
  } catch (error) {
    sendStatus(res, error);
  }
  return true;
}

/** Joins requests for exec, attach, port-forward and upgrades through proxies to where they lead. */
export async function joinUpgrade(
  context: Context,
  request: ApiRequest,
  req: IncomingMessage,
  socket: Duplex,
  head: Buffer,
): Promise<void> {
  socket.on('error', () => socket.destroy());
  try {
    const stream = streamRequestOf(request);
    const destination = stream && stream.kind !== 'log' ? locate(context, request, stream) : undefined;
    if (!destination) throw badRequest('this resource is not one to upgrade a connection for');
    await proxyUpgrade({ req, socket, head, ...destination });
  } catch (error) {
    refuseWithStatus(socket, error);
  }
}

async function sendLog({ target, tls }: Destination, res: ServerResponse): Promise<void> {
  const gone = new AbortController();
  res.once('close', () => gone.abort());
  const answer = await kubeletLog({ target, tls, signal: gone.signal });
  res.writeHead(200, { 'Content-Type': answer.headers['content-type'] ?? 'text/plain' });
  // Who follows a silent container shall see at once that it was let in.
  res.flushHeaders();
  await pipeline(answer.body, res);
}

async function sendProxied(
  { target, tls, prefix = '' }: Destination,
  request: ApiRequest,
  req: IncomingMessage,
  res: ServerResponse,
): Promise<void> {
  const [path = '', query] = request.path.split('?', 2);
  // Relative links of a page need the slash.
  if (path === prefix && request.method === 'GET') {
    res.writeHead(301, { Location: `${prefix}/${query === undefined ? '' : `?${query}`}` }).end();
    return;
  }
  await proxyHttp({ req, res, target, tls, prefix });
}

function sendStatus(res: ServerResponse, error: unknown): void {
  if (res.headersSent) {
    res.destroy();
    return;
  }
  const { code, status } = toStatusError(error);
  res.writeHead(code, { 'Content-Type': 'application/json' });
  res.end(`${JSON.stringify(status)}\n`);
}
