import type { IncomingMessage, ServerResponse } from 'node:http';
import * as https from 'node:https';
import type { AddressInfo, Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { TLSSocket } from 'node:tls';
import { KnitError, messageOf } from '../../base/errors.ts';
import { MAX_HEADER_BYTES } from '../../base/headers.ts';
import type { Log } from '../../base/log.ts';
import type { Answer } from '../answer.ts';
import { errorAnswer } from '../answer.ts';
import { anonymous, type TokenAuthenticator, userOfCertificate, userOfToken } from '../auth/authentication.ts';
import { tooLarge, toStatusError } from '../errors.ts';
import type { ApiRequest, User } from '../request.ts';
import type { Http2Connections } from './http2.ts';
import { send } from './response.ts';

/** Kubernetes' own limit of a request's body. */
const BODY_LIMIT = 3 * 1024 * 1024;
/** Connections that wait to be accepted; a socket that was handed over would otherwise get Node's 511. */
const BACKLOG = 4096;
/**
 * How long a connection may be idle, in ms, before its first request too: clients open spare ones. Go's end theirs after
 * 90 s: were we to end them first, a request would now and then meet a connection that is being closed (under load also
 * one that waits to be read), and what may not be sent twice would fail with `connection reset by peer`.
 */
const IDLE_MS = 120_000;
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
  readonly tokens: readonly TokenAuthenticator[];
  readonly log: Log;
  handle(request: ApiRequest): Promise<Answer> | Answer;
  /** Requests whose connection goes on to somewhere else; `true` where it took the request. */
  stream(request: ApiRequest, req: IncomingMessage, res: ServerResponse): Promise<boolean> | false;
  upgrade(request: ApiRequest, req: IncomingMessage, socket: Duplex, head: Buffer): Promise<void>;
}

/** The API over HTTPS: who speaks, what they say, and the answer; on one or several sockets. */
export class HttpServer {
  readonly #options: HttpOptions;
  readonly #servers: https.Server[] = [];
  readonly #sockets = new Set<Socket>();
  readonly #users = new WeakMap<Socket, User | undefined>();
  readonly #watches = new Set<ServerResponse>();
  #http2: Promise<Http2Connections> | undefined;
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
    (await this.#http2)?.close();
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
      {
        ...{ cert, key, ca: clientCA, requestCert: true, rejectUnauthorized: false, minVersion: 'TLSv1.2' },
        ...{ ALPNProtocols: ['h2', 'http/1.1'], noDelay: true, maxHeaderSize: MAX_HEADER_BYTES },
        // What has no body needs no stream that ends.
        optimizeEmptyRequests: true,
      },
      (req, res) => void this.#answer(req, res, req.socket),
    );
    this.#divideProtocols(server);
    server.keepAliveTimeout = IDLE_MS;
    server.headersTimeout = IDLE_MS;
    server.requestTimeout = 0;
    server.on('connection', (socket: Socket) => this.#track(socket));
    server.on('upgrade', (req: IncomingMessage, socket: Duplex, head: Buffer) => {
      const request = { ...this.#requestOf(req, req.socket), body: undefined };
      void this.#options.upgrade(request, req, socket, head);
    });
    this.#servers.push(server);
    return new Promise((resolve, reject) => {
      server.once('error', (error) => reject(listenError(place, error)));
      server.listen(place, BACKLOG, () => resolve(server.address() as AddressInfo));
    });
  }

  /** HTTP/2 is loaded for the first client that wants it, and costs the others nothing. */
  #divideProtocols(server: https.Server): void {
    const [serveHttp1] = server.listeners('secureConnection');
    server.removeAllListeners('secureConnection');
    server.on('secureConnection', (socket: TLSSocket) => {
      if (socket.alpnProtocol !== 'h2') return void serveHttp1?.call(server, socket);
      this.#http2 ??= import('./http2.ts').then(({ http2Connections }) =>
        http2Connections((req, res, connection) => void this.#answer(req, res, connection)),
      );
      // Nobody else listens to it until then.
      socket.on('error', () => socket.destroy());
      void this.#http2.then((connections) => !socket.destroyed && connections.serve(socket));
    });
  }

  #track(socket: Socket): void {
    this.#sockets.add(socket);
    socket.once('close', () => this.#sockets.delete(socket));
  }

  async #answer(req: IncomingMessage, res: ServerResponse, connection: Socket): Promise<void> {
    const encoding = String(req.headers['accept-encoding'] ?? '');
    try {
      const request = this.#requestOf(req, connection);
      const stream = this.#options.stream(request, req, res);
      if (stream && (await stream)) return;
      const body = readBody(req);
      const handled = this.#options.handle(body ? { ...request, body: await body } : request);
      // Most reads are answered at once: they need not wait for a turn.
      const answer = handled instanceof Promise ? await handled : handled;
      if (typeof answer.body !== 'function') {
        const sending = send(res, answer, encoding);
        if (sending) await sending;
        return;
      }
      this.#watches.add(res);
      await send(res, answer, encoding);
      this.#watches.delete(res);
    } catch (error) {
      const status = toStatusError(error);
      const { method = '', url: path = '' } = req;
      if (status.code >= 500) this.#options.log.error('request failed', { method, path, error });
      if (res.headersSent) res.destroy();
      else await send(res, errorAnswer(status), encoding);
    } finally {
      // While it stops, a connection is done when its request is.
      if (this.#closing && req.httpVersionMajor === 1) connection.destroySoon();
    }
  }

  #requestOf(req: IncomingMessage, connection: Socket): ApiRequest {
    return {
      method: req.method ?? 'GET',
      path: req.url ?? '/',
      // Node joins what is repeated; only `set-cookie`, which is no request's, would be a list.
      headers: req.headers as Readonly<Record<string, string>>,
      user: this.#userOf(req, connection),
      remoteAddress: connection.remoteAddress,
    };
  }

  /** `undefined` where somebody says who they are, and nobody believes it. */
  #userOf(req: IncomingMessage, connection: Socket): User | undefined {
    const { authorization } = req.headers;
    const known = this.#userOfConnection(connection);
    if (known !== undefined && known !== anonymous) return known;
    return authorization ? userOfToken(authorization, this.#options.tokens) : known;
  }

  /** The certificate is that of the connection: it is looked at once. */
  #userOfConnection(socket: Socket): User | undefined {
    if (!(socket instanceof TLSSocket)) return undefined;
    if (!this.#users.has(socket)) {
      const certificate = socket.getPeerCertificate();
      const presented = Object.keys(certificate ?? {}).length > 0;
      this.#users.set(socket, !presented ? anonymous : socket.authorized ? userOfCertificate(certificate) : undefined);
    }
    return this.#users.get(socket);
  }
}

/** In HTTP/1.1 a body is announced by a header (RFC 9112 §6.3). */
function mayHaveBody({ method, headers, httpVersionMajor }: IncomingMessage): boolean {
  if (method === 'GET' || method === 'HEAD') return false;
  return httpVersionMajor > 1 || 'content-length' in headers || 'transfer-encoding' in headers;
}

/** By events: an iterator over a stream costs as much as the rest of reading a small body. */
function readBody(req: IncomingMessage): Promise<Uint8Array | undefined> | undefined {
  if (!mayHaveBody(req)) return undefined;
  if (Number(req.headers['content-length'] ?? 0) > BODY_LIMIT) throw tooLarge(BODY_LIMIT);
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    let size = 0;
    req.on('data', (chunk: Buffer) => {
      size += chunk.length;
      if (size <= BODY_LIMIT) chunks.push(chunk);
      else {
        req.pause();
        reject(tooLarge(BODY_LIMIT));
      }
    });
    req.on('end', () => resolve(chunks.length === 1 ? chunks[0] : size === 0 ? undefined : Buffer.concat(chunks)));
    req.on('error', reject);
    req.on('close', () => {
      if (!req.complete) reject(new Error('the client went away before its request was whole'));
    });
  });
}

function listenError(place: Listen, error: unknown): unknown {
  const code = error instanceof Error && 'code' in error ? error.code : '';
  if (!('port' in place) || code !== 'EADDRINUSE') return error;
  const hint = 'stop what listens there, or choose another port';
  return new KnitError('PORT_IN_USE', `port ${place.port} of ${place.host} is taken: ${messageOf(error)}`, hint);
}
