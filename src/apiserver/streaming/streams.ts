import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Duplex } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { assertAllowed } from '../auth/authorize.ts';
import type { Context } from '../context.ts';
import { badRequest, toStatusError } from '../errors.ts';
import { type ApiRequest, parseRequest } from '../request.ts';
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
    const destination = await locate(context, request, stream);
    if (stream.kind === 'connect') throw badRequest('Upgrade request required');
    if (!destination) res.writeHead(204).end();
    else if (stream.kind === 'log') await sendLog(destination, res);
    else await sendProxied(destination, request, req, res);
  } catch (error) {
    sendStatus(res, error);
  }
  return true;
}

/**
 * Joins requests for exec, attach, port-forward, upgrades through proxies and of aggregated APIs to where they lead;
 * sends logs in frames.
 * Resolves to the code that the client got.
 */
export async function joinUpgrade(
  context: Context,
  request: ApiRequest,
  req: IncomingMessage,
  socket: Duplex,
  head: Buffer,
): Promise<number> {
  socket.on('error', () => socket.destroy());
  try {
    const elsewhere = destinationElsewhere(context, request);
    if (elsewhere) return await proxyUpgrade({ req, socket, head, ...elsewhere });
    const stream = streamRequestOf(request);
    const destination = stream && (await locate(context, request, stream));
    if (stream?.kind === 'log' && destination) {
      const { sendLogFrames } = await import('./log-socket.ts');
      await sendLogFrames({ req, socket, head }, destination);
      return 101;
    }
    if (!destination) throw badRequest('this resource is not one to upgrade a connection for');
    return await proxyUpgrade({ req, socket, head, ...destination });
  } catch (error) {
    return refuseWithStatus(socket, error);
  }
}

/** Where the server is that answers the request's API group, where another one does. */
function destinationElsewhere(context: Context, { method, path, user }: ApiRequest): Destination | undefined {
  const info = parseRequest(method, path);
  const destination = user && context.aggregator.destination(context, path, user, info);
  if (destination) assertAllowed(context, info, user);
  return destination;
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
  if (path === prefix && (request.method === 'GET' || request.method === 'HEAD')) {
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
