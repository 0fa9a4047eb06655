import { readFile, stat } from 'node:fs/promises';
import type { ClientRequest, IncomingMessage } from 'node:http';
import * as https from 'node:https';
import type { Socket } from 'node:net';
import { KnitError, messageOf } from '../base/errors.ts';
import type { Transport, TransportRequest, TransportResponse } from './client.ts';

export interface HttpsOptions {
  /** `https://10.89.0.1:6443`, with a path prefix where the API server stands behind one. */
  readonly server: string;
  /** PEM. Left out: the system's roots. */
  readonly ca?: string;
  /** PEM of the client certificate (and its chain). */
  readonly cert?: string;
  readonly key?: string;
  readonly token?: string;
  /** Holds the token; read again when it changes. Wins over `token`. */
  readonly tokenFile?: string;
  /** Name that the server's certificate must carry, where it is not the host of `server`. */
  readonly serverName?: string;
  readonly insecureSkipTLSVerify?: boolean;
  /**
   * Requests that go on side by side; more wait. Watches do not count. Default: no limit. Who has many things to tell at
   * once is done sooner with few connections: each costs both sides a handshake.
   */
  readonly maxConnections?: number;
}

/** Time to connect and to shake hands, as Go's clients have for the latter: a slow machine's server is busy as it starts. */
const CONNECT_TIMEOUT_MS = 10_000;
/** Kubernetes' own limit for requests that are not watches is 60 s; the answer to give up is the server's. */
const ANSWER_TIMEOUT_MS = 65_000;
/** After this much silence the kernel probes the peer each second, ten times: a dead peer is noticed in 25 s. */
const KEEPALIVE_MS = 15_000;

const WATCH = /[?&]watch=(?:1|true)/;

/**
 * HTTP/1.1 over TLS with kept connections. Rejects with a {@link KnitError} `API_UNREACHABLE` where no answer came;
 * its `cause` is the system's error.
 */
export function httpsTransport(options: HttpsOptions): Transport {
  const base = new URL(options.server);
  const prefix = base.pathname.replace(/\/$/, '');
  const token = tokenSource(options);
  const settings = {
    keepAlive: true,
    keepAliveMsecs: KEEPALIVE_MS,
    ca: options.ca,
    cert: options.cert,
    key: options.key,
    servername: options.serverName,
    rejectUnauthorized: !options.insecureSkipTLSVerify,
  };
  const agent = new https.Agent({ ...settings, maxSockets: options.maxConnections ?? Number.POSITIVE_INFINITY });
  // Without a limit one pool serves both: a watch begins on a connection that a list has left, and misses less meanwhile.
  const watches = options.maxConnections === undefined ? agent : new https.Agent(settings);

  const once = async (request: TransportRequest): Promise<IncomingMessage> => {
    const headers: Record<string, string> = { ...request.headers };
    const bearer = await token();
    if (bearer) headers.authorization = `Bearer ${bearer}`;
    if (request.body !== undefined) headers['content-length'] = String(Buffer.byteLength(request.body));
    const call = https.request({
      agent: WATCH.test(request.path) ? watches : agent,
      host: base.hostname.replace(/^\[|\]$/g, ''),
      port: base.port || 443,
      method: request.method,
      path: prefix + request.path,
      headers,
      signal: request.signal,
    });
    return answerOf(call, request.body);
  };

  return {
    async request(request) {
      try {
        return toResponse(await once(request).catch((error: unknown) => again(error, request, once)));
      } catch (error) {
        if (request.signal?.aborted) throw error;
        throw unreachable(options.server, error);
      }
    },
    async close() {
      agent.destroy();
      watches.destroy();
    },
  };
}

/** The server may close a kept connection in the moment a request goes out on it. What only reads is sent again. */
function again(
  error: unknown,
  request: TransportRequest,
  send: (request: TransportRequest) => Promise<IncomingMessage>,
): Promise<IncomingMessage> {
  if (request.method === 'GET' && error instanceof StaleConnection) return send(request);
  throw error instanceof StaleConnection ? error.cause : error;
}

class StaleConnection extends Error {}

function answerOf(call: ClientRequest, body: string | undefined): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    const deadline = setTimeout(
      () => call.destroy(new Error(`no answer within ${ANSWER_TIMEOUT_MS / 1000} s`)),
      ANSWER_TIMEOUT_MS,
    );
    deadline.unref();
    call.once('socket', (socket) => limitConnect(socket, call));
    call.once('response', (response) => {
      clearTimeout(deadline);
      resolve(response);
    });
    call.on('error', (error) => {
      clearTimeout(deadline);
      const reset = 'code' in error && (error.code === 'ECONNRESET' || error.code === 'EPIPE');
      reject(call.reusedSocket && reset ? new StaleConnection('stale connection', { cause: error }) : error);
    });
    call.end(body);
  });
}

function limitConnect(socket: Socket, call: ClientRequest): void {
  if (!socket.connecting) return;
  const timer = setTimeout(
    () => call.destroy(new Error(`no connection within ${CONNECT_TIMEOUT_MS / 1000} s`)),
    CONNECT_TIMEOUT_MS,
  );
  timer.unref();
  const clear = () => clearTimeout(timer);
  socket.once('secureConnect', clear);
  socket.once('close', clear);
}

function toResponse(message: IncomingMessage): TransportResponse {
  const headers: Record<string, string> = {};
  for (const [name, value] of Object.entries(message.headers)) {
    if (value !== undefined) headers[name] = Array.isArray(value) ? value.join(', ') : value;
  }
  return { status: message.statusCode ?? 0, headers, body: message, text: () => textOf(message) };
}

async function textOf(body: AsyncIterable<Uint8Array>): Promise<string> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of body) chunks.push(chunk);
  return Buffer.concat(chunks).toString('utf8');
}

function unreachable(server: string, error: unknown): KnitError {
  return new KnitError(
    'API_UNREACHABLE',
    `no answer from the API server at ${server}: ${messageOf(error)}`,
    'check that the cluster is up and that its address and CA are the ones in use',
    { cause: error },
  );
}

/** A projected token is renewed by the kubelet behind a symlink; the file's change is looked for once a second. */
function tokenSource(options: HttpsOptions): () => Promise<string | undefined> {
  const file = options.tokenFile;
  if (!file) return async () => options.token;
  let token = '';
  let version = '';
  let lookedAt = 0;
  return async () => {
    const now = Date.now();
    if (token && now - lookedAt < 1_000) return token;
    lookedAt = now;
    const { ino, mtimeMs } = await stat(file);
    if (version !== `${ino} ${mtimeMs}`) {
      token = (await readFile(file, 'utf8')).trim();
      version = `${ino} ${mtimeMs}`;
    }
    return token;
  };
}
