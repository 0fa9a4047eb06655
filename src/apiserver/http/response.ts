import type { ServerResponse } from 'node:http';
import { promisify } from 'node:util';
import { gzip } from 'node:zlib';
import type { Answer, Sink, Stream } from '../answer.ts';

/** Answers larger than this are compressed where the client can read it (Kubernetes' own limit). */
const GZIP_FROM = 128 * 1024;
/** Pieces of a large answer are joined to chunks of this size, so that it never lies in memory twice. */
const CHUNK = 256 * 1024;
/** A watcher that left so much unread is cut off: it can list again. */
const SLOW_WATCHER = 16 * 1024 * 1024;

const compress = promisify(gzip);

/** Writes an answer; resolves when all of it is written or the client is gone. */
export async function send(response: ServerResponse, answer: Answer, acceptEncoding: string): Promise<void> {
  const headers: Record<string, string | string[]> = { ...answer.headers, 'cache-control': 'no-cache, private' };
  if (answer.warnings && answer.warnings.length > 0) headers.warning = answer.warnings.map(warningHeader);
  if (typeof answer.body === 'function') return sendStream(response, answer.status, headers, answer.body);
  let pieces = answer.body;
  let length = pieces.reduce((sum, piece) => sum + piece.length, 0);
  if (length > GZIP_FROM && acceptEncoding.includes('gzip')) {
    const small = await compress(Buffer.concat(pieces), { level: 1 });
    pieces = [small];
    length = small.length;
    headers['content-encoding'] = 'gzip';
  }
  if (answer.status !== 304) headers['content-length'] = String(length);
  response.writeHead(answer.status, headers);
  await sendPieces(response, pieces);
}

/** RFC 7234 §5.5: code 299, no agent. */
const warningHeader = (text: string) => `299 - ${JSON.stringify(text)}`;

async function sendPieces(response: ServerResponse, pieces: readonly Uint8Array[]): Promise<void> {
  let group: Uint8Array[] = [];
  let size = 0;
  for (const piece of pieces) {
    group.push(piece);
    size += piece.length;
    if (size < CHUNK) continue;
    if (!response.write(Buffer.concat(group))) await drained(response);
    if (response.destroyed) return;
    group = [];
    size = 0;
  }
  response.end(group.length === 1 ? group[0] : Buffer.concat(group));
}

function drained(response: ServerResponse): Promise<void> {
  return new Promise((resolve) => {
    const done = () => {
      response.off('drain', done);
      response.off('close', done);
      resolve();
    };
    response.once('drain', done);
    response.once('close', done);
  });
}

function sendStream(
  response: ServerResponse,
  status: number,
  headers: Record<string, string | string[]>,
  stream: Stream,
): Promise<void> {
  response.writeHead(status, headers);
  response.flushHeaders();
  return new Promise((resolve) => {
    let stop: (() => void) | undefined;
    // What was there at the start is sent whole, however large: only what is left unread after it counts as slow.
    let limit = Number.POSITIVE_INFINITY;
    const sink: Sink = {
      write(chunk) {
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
    if (response.destroyed) stop();
  });
}
