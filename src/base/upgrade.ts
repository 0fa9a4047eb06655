import { type IncomingMessage, request as requestHttp, STATUS_CODES } from 'node:http';
import { type RequestOptions as HttpsRequestOptions, request as requestHttps } from 'node:https';
import { Socket } from 'node:net';
import type { Duplex } from 'node:stream';

/** Header names and values as they stood in the message: `[name, value, name, value, …]`. */
export type RawHeaders = readonly string[];

/** A connection that both sides have agreed to use for another protocol. */
export interface Upgraded {
  readonly response: IncomingMessage;
  readonly socket: Duplex;
  /** What the other side sent right behind its answer. */
  readonly head: Buffer;
}

/** The other side answered an upgrade request with something else than 101. */
export class UpgradeRefused extends Error {
  readonly statusCode: number;
  readonly contentType: string;
  readonly body: string;
  constructor(statusCode: number, contentType: string, body: string) {
    super(body.trim() || `the upgrade was answered with ${statusCode} ${STATUS_CODES[statusCode] ?? ''}`);
    this.name = 'UpgradeRefused';
    this.statusCode = statusCode;
    this.contentType = contentType;
    this.body = body;
  }
}

const maxRefusalBytes = 64 * 1024;

/**
 * Sends an upgrade request and resolves when it was granted.
 *
 * @throws {UpgradeRefused} for another answer; an `Error` of the socket where there was none within `timeoutMs`.
 */
export function dialUpgrade(
  options: Omit<HttpsRequestOptions, 'headers'> & {
    readonly protocol: 'http:' | 'https:';
    readonly headers: RawHeaders;
    readonly timeoutMs: number;
  },
): Promise<Upgraded> {
  const { timeoutMs, ...rest } = options;
  const send = options.protocol === 'https:' ? requestHttps : requestHttp;
  return new Promise((resolve, reject) => {
    // Without a length Node would end a POST with an empty chunk, and the other protocol begin with that.
    const headers = options.method === 'GET' ? options.headers : [...options.headers, 'Content-Length', '0'];
    const request = send({ ...rest, headers, agent: false });
    const timer = setTimeout(() => request.destroy(new Error(`no answer within ${timeoutMs} ms`)), timeoutMs);
    request.once('close', () => clearTimeout(timer));
    request.once('error', reject);
    request.once('upgrade', (response, socket, head) => {
      clearTimeout(timer);
      resolve({ response, socket, head });
    });
    request.once('response', (response) => {
      readText(response, maxRefusalBytes).then(
        (body) => reject(new UpgradeRefused(response.statusCode ?? 502, response.headers['content-type'] ?? '', body)),
        reject,
      );
    });
    request.end();
  });
}

async function readText(response: IncomingMessage, limit: number): Promise<string> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of response as AsyncIterable<Buffer>) {
    chunks.push(chunk);
    size += chunk.length;
    if (size >= limit) break;
  }
  return Buffer.concat(chunks).toString('utf8', 0, limit);
}

/**
 * The headers of an upgrade request as they may go to the next server: the credentials and the host were meant for this
 * one, and a body it has none.
 */
export function forwardedHeaders(headers: RawHeaders, host: string): string[] {
  const kept = ['Host', host];
  for (let i = 0; i + 1 < headers.length; i += 2) {
    const name = headers[i]!;
    if (!/^(host|authorization|content-length|transfer-encoding|x-remote-.*|impersonate-.*)$/i.test(name))
      kept.push(name, headers[i + 1]!);
  }
  return kept;
}

/** Writes the 101 that `upgraded` came with to the client, and joins the two connections. */
export function grantUpgrade(client: Duplex, clientHead: Buffer, upgraded: Upgraded): void {
  const { response, socket, head } = upgraded;
  if (client.destroyed) {
    socket.destroy();
    return;
  }
  client.write(formatHead(101, response.rawHeaders));
  if (head.length > 0) client.write(head);
  if (clientHead.length > 0) socket.write(clientHead);
  splice(client, socket);
}

/** Answers an upgrade request with an ordinary response, and closes. */
export function refuseUpgrade(client: Duplex, status: number, contentType: string, body: string): void {
  const bytes = Buffer.from(body);
  const headers = ['Content-Type', contentType, 'Content-Length', String(bytes.length), 'Connection', 'close'];
  client.on('error', () => client.destroy());
  client.end(Buffer.concat([Buffer.from(formatHead(status, headers)), bytes]));
}

function formatHead(status: number, headers: RawHeaders): string {
  let head = `HTTP/1.1 ${status} ${STATUS_CODES[status] ?? 'Unknown'}\r\n`;
  for (let i = 0; i + 1 < headers.length; i += 2) head += `${headers[i]}: ${headers[i + 1]}\r\n`;
  return `${head}\r\n`;
}

/** Between two probes of a connection on which nothing is said. */
const keepAliveMs = 30_000;

/** Carries bytes both ways, no faster than the slower side takes them, until either side ends or fails. */
export function splice(a: Duplex, b: Duplex): void {
  for (const [from, to] of [
    [a, b],
    [b, a],
  ] as const) {
    if (from instanceof Socket) {
      from.setKeepAlive(true, keepAliveMs);
      from.setNoDelay(true);
    }
    from.pipe(to);
    from.on('error', () => to.destroy());
    from.once('close', () => (to.writableEnded ? undefined : to.end()));
  }
}
