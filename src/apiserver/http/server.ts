import type { IncomingMessage, ServerResponse } from 'node:http';
import * as https from 'node:https';
import type { AddressInfo, Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { TLSSocket } from 'node:tls';
import { KnitError, messageOf } from '../../base/errors.ts';
import type { Log } from '../../base/log.ts';
import type { Answer } from '../answer.ts';
import { errorAnswer } from '../answer.ts';
import { userOfCertificate, userOfToken } from '../auth/authentication.ts';
import type { TokenIssuer } from '../auth/tokens.ts';
import { tooLarge, toStatusError } from '../errors.ts';
import type { ApiRequest, User } from '../request.ts';
import { send } from './response.ts';

/** Kubernetes' own limit of a request's body. */
const BODY_LIMIT = 3 * 1024 * 1024;
/** How long a stop waits for requests that are being answered. */
const STOP_MS = 2000;

/** Where to listen: a socket that was opened by somebody else, or an address. */
export type Listen = { readonly fd: number } | { readonly host: string; readonly port: number };

/** PEM. */
export interface ServerTLS {
  readonly cert: string;
  readonly key: string;
  readonly clientCA: string;
}

export interface HttpOptions {
  readonly tls: ServerTLS;
  readonly tokens: TokenIssuer;
  readonly log: Log;
  handle(request: ApiRequest): Promise<Answer>;
  /** Requests whose connection goes on to somewhere else; `true` where it took the request. */
  stream(request: ApiRequest, req: IncomingMessage, res: ServerResponse): Promise<boolean>;
  upgrade(request: ApiRequest, req: IncomingMessage, socket: Duplex, head: Buffer): Promise<void>;
}

/** The API over HTTPS: who speaks, what they say, and the answer; on one or several sockets. */
export class HttpServer {
  readonly #options: HttpOptions;
  readonly #servers: https.Server[] = [];
  readonly #sockets = new Set<Socket>();
  readonly #users = new WeakMap<Socket, User | undefined>();
  readonly #watches = new Set<ServerResponse>();
  #closing = false;

  constructor(options: HttpOptions) {
    this.#options = options;
  }

  async listen(places: readonly Listen[]): Promise<AddressInfo[]> {
    const addresses: AddressInfo[] = [];
    for (const place of places) addresses.push(await this.#listenAt(place));
    return addresses;
  }

  async close(): Promise<void> {
    this.#closing = true;
    const closed = this.#servers.map((server) => new Promise<void>((resolve) => server.close(() => resolve())));
    for (const server of this.#servers) server.closeIdleConnections();
    for (const watch of this.#watches) watch.end();
    const deadline = setTimeout(() => {
      for (const socket of this.#sockets) socket.destroy();
    }, STOP_MS);
    await Promise.all(closed);
    clearTimeout(deadline);
    for (const socket of this.#sockets) socket.destroy();
  }

  #listenAt(place: Listen): Promise<AddressInfo> {
    const { cert, key, clientCA } = this.#options.tls;
    const server = https.createServer(
      { cert, key, ca: clientCA, requestCert: true, rejectUnauthorized: false, minVersion: 'TLSv1.2', noDelay: true },
      (req, res) => void this.#answer(req, res),
    );
    server.keepAliveTimeout = 90_000;
    server.requestTimeout = 0;
    server.on('connection', (socket: Socket) => this.#track(socket));
    server.on('upgrade', (req: IncomingMessage, socket: Duplex, head: Buffer) => {
      const request = { ...this.#requestOf(req), body: undefined };
      void this.#options.upgrade(request, req, socket, head);
    });
    this.#servers.push(server);
    return new Promise((resolve, reject) => {
      server.once('error', (error) => reject(listenError(place, error)));
      server.listen(place, () => resolve(server.address() as AddressInfo));
    });
  }

  #track(socket: Socket): void {
    this.#sockets.add(socket);
    socket.once('close', () => this.#sockets.delete(socket));
  }

  async #answer(req: IncomingMessage, res: ServerResponse): Promise<void> {
    const encoding = String(req.headers['accept-encoding'] ?? '');
    // While it stops, a connection is done when its request is.
    res.once('finish', () => this.#closing && req.socket.destroySoon());
    try {
      const request = this.#requestOf(req);
      if (await this.#options.stream(request, req, res)) return;
      const answer = await this.#options.handle({ ...request, body: await readBody(req) });
      if (typeof answer.body !== 'function') return await send(res, answer, encoding);
      this.#watches.add(res);
      await send(res, answer, encoding);
      this.#watches.delete(res);
    } catch (error) {
      this.#options.log.error('request failed', { method: req.method ?? '', path: req.url ?? '', error });
      if (res.headersSent) res.destroy();
      else await send(res, errorAnswer(toStatusError(error)), encoding);
    }
  }

  #requestOf(req: IncomingMessage): ApiRequest {
    const headers: Record<string, string> = {};
    for (const [name, value] of Object.entries(req.headers)) {
      if (value !== undefined) headers[name] = Array.isArray(value) ? value.join(', ') : value;
    }
    return { method: req.method ?? 'GET', path: req.url ?? '/', headers, user: this.#userOf(req) };
  }

  #userOf(req: IncomingMessage): User | undefined {
    const { authorization } = req.headers;
    return (
      this.#userOfConnection(req.socket) ??
      (authorization ? userOfToken(authorization, this.#options.tokens) : undefined)
    );
  }

  /** The certificate is that of the connection: it is looked at once. */
  #userOfConnection(socket: Socket): User | undefined {
    if (!(socket instanceof TLSSocket)) return undefined;
    if (!this.#users.has(socket)) {
      this.#users.set(socket, socket.authorized ? userOfCertificate(socket.getPeerCertificate()) : undefined);
    }
    return this.#users.get(socket);
  }
}

async function readBody(req: IncomingMessage): Promise<Uint8Array | undefined> {
  if (req.method === 'GET' || req.method === 'HEAD') return undefined;
  const announced = Number(req.headers['content-length'] ?? 0);
  if (announced > BODY_LIMIT) throw tooLarge(BODY_LIMIT);
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of req as AsyncIterable<Buffer>) {
    size += chunk.length;
    if (size > BODY_LIMIT) throw tooLarge(BODY_LIMIT);
    chunks.push(chunk);
  }
  return size === 0 ? undefined : Buffer.concat(chunks);
}

function listenError(place: Listen, error: unknown): unknown {
  const code = error instanceof Error && 'code' in error ? error.code : '';
  if (!('port' in place) || code !== 'EADDRINUSE') return error;
  const hint = 'stop what listens there, or choose another port';
  return new KnitError('PORT_IN_USE', `port ${place.port} of ${place.host} is taken: ${messageOf(error)}`, hint);
}
