import type { ServerResponse } from 'node:http';
import { promisify } from 'node:util';
import { gzip } from 'node:zlib';
import type { Answer, Sink, Stream } from '../answer.ts';

/** Answers larger than this are compressed where the client can read it (Kubernetes' own limit). */
const GZIP_FROM = 128 * 1024;
/** A large answer is written in chunks of this size, so that it never lies in memory twice. */
const CHUNK = 256 * 1024;
/** A watcher that left so much unread is cut off: it can list again. */
const SLOW_WATCHER = 16 * 1024 * 1024;

const compress = promisify(gzip);

/** An answer up to this size (a TLS record) is one string with its headers: two pieces cost a third more. */
const ONE_PIECE = 16 * 1024;

/** Writes an answer; resolves when all of it is written or the client is gone. `undefined`: it is. */
export function send(response: ServerResponse, answer: Answer, acceptEncoding: string): Promise<void> | undefined {
  const headers: Headers = { ...answer.headers, 'cache-control': 'no-cache, private' };
  if (answer.warnings && answer.warnings.length > 0) headers.warning = answer.warnings.map(warningHeader);
  if (typeof answer.body === 'function') return sendStream(response, answer.status, headers, answer.body);
  let length = 0;
  for (const piece of answer.body) length += piece.length;
  if (length > GZIP_FROM && acceptEncoding.includes('gzip')) {
    return sendCompressed(response, answer.status, headers, answer.body);
  }
  return sendPieces(response, answer.status, headers, answer.body, length);
}

type Headers = Record<string, string | string[]>;

async function sendCompressed(
  response: ServerResponse,
  status: number,
  headers: Headers,
  pieces: readonly Uint8Array[],
): Promise<void> {
  const small = await compress(Buffer.concat(pieces), { level: 1 });
  await sendPieces(response, status, { ...headers, 'content-encoding': 'gzip' }, [small], small.length);
}

/** RFC 7234 §5.5: code 299, no agent. */
const warningHeader = (text: string) => `299 - ${JSON.stringify(text)}`;

function sendPieces(
  response: ServerResponse,
  status: number,
  headers: Headers,
  pieces: readonly Uint8Array[],
  length: number,
): Promise<void> | undefined {
  if (status !== 304) headers['content-length'] = String(length);
  response.writeHead(status, headers);
  // To a HEAD nothing follows the headers: HTTP/1.1 drops it, HTTP/2 would take it for a fault.
  if (length === 0 || response.req.method === 'HEAD') response.end();
  else if (length <= ONE_PIECE) response.end(whole(pieces, length).toString('latin1'), 'latin1');
  else if (length <= CHUNK) response.end(whole(pieces, length));
  else return sendInChunks(response, pieces);
  return undefined;
}

function whole(pieces: readonly Uint8Array[], length: number): Buffer {
  const [first] = pieces;
  if (!first || pieces.length > 1) return Buffer.concat(pieces, length);
  return Buffer.from(first.buffer, first.byteOffset, first.byteLength);
}

/** One buffer serves the whole answer, filled anew when what it held is written. */
async function sendInChunks(response: ServerResponse, pieces: readonly Uint8Array[]): Promise<void> {
  const chunk = Buffer.allocUnsafeSlow(CHUNK);
  let used = 0;
  for (const piece of pieces) {
    for (let at = 0; at < piece.length; ) {
      const part = piece.subarray(at, at + CHUNK - used);
      chunk.set(part, used);
      at += part.length;
      used += part.length;
      if (used < CHUNK) continue;
      await written(response, chunk);
      if (isGone(response)) return;
      used = 0;
    }
  }
  response.end(chunk.subarray(0, used));
}

/** In HTTP/2 it is the request's stream that ends, and not the connection. */
const isGone = (response: ServerResponse): boolean => response.destroyed || response.socket?.destroyed === true;

/** Resolves when the bytes may be written over, or the client is gone. */
function written(response: ServerResponse, bytes: Uint8Array): Promise<void> {
  return new Promise((resolve) => {
    const done = () => {
      response.off('close', done);
      resolve();
    };
    response.once('close', done);
    response.write(bytes, done);
  });
}

function sendStream(response: ServerResponse, status: number, headers: Headers, stream: Stream): Promise<void> {
  response.writeHead(status, headers);
  response.flushHeaders();
  return new Promise((resolve) => {
    let stop: (() => void) | undefined;
    // What was there at the start is sent whole, however large: only what is left unread after it counts as slow.
    let limit = Number.POSITIVE_INFINITY;
    const sink: Sink = {
      write(chunk) {
        // The stream, or the server itself, may have ended it, and the client not read the end yet.
        if (response.writableEnded) return;
        response.write(chunk);
        if (response.writableLength > limit) response.destroy();
      },
      end: () => response.end(),
    };
    response.once('close', () => {
      stop?.();
      resolve();
    });
    response.cork();
    stop = stream(sink);
    response.uncork();
    limit = SLOW_WATCHER + response.writableLength;
    response.on('drain', () => {
      limit = SLOW_WATCHER;
    });
    if (isGone(response)) stop();
  });
}
