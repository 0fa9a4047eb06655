import http2 from 'node:http2';
import net from 'node:net';
import { messageOf } from '../../base/errors.ts';

/** Status codes of gRPC that the kubelet tells apart (https://grpc.io/docs/guides/status-codes/). */
export const grpcStatus = { unknown: 2, deadlineExceeded: 4, notFound: 5, unimplemented: 12, unavailable: 14 } as const;

export class GrpcError extends Error {
  readonly code: number;
  constructor(code: number, message: string) {
    super(message);
    this.name = 'GrpcError';
    this.code = code;
  }
}

export interface CallOptions {
  readonly timeoutMs?: number;
  readonly signal?: AbortSignal;
  readonly metadata?: Readonly<Record<string, string>>;
}

/** gRPC to one server. The connection is made with the first call and again after it broke. */
export interface Channel {
  /** One request, one answer. `method` is `/package.Service/Method`. Throws {@link GrpcError}. */
  unary(method: string, request: Uint8Array, options?: CallOptions): Promise<Buffer>;
  /** One request, many answers, until the server ends, fails ({@link GrpcError}) or the signal fires. */
  stream(method: string, request: Uint8Array, options?: CallOptions): AsyncIterable<Buffer>;
  /** Calls that wait fail, and later ones too. */
  close(): void;
}

/**
 * gRPC's protocol over HTTP/2 (https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md), without TLS, for one
 * server (a unix socket's path, or an address): no name resolution, no balancing, and no waiting between attempts to
 * connect, so that a runtime that comes up is found at once.
 */
export function openChannel(server: string | { readonly host: string; readonly port: number }): Channel {
  const dial = () => (typeof server === 'string' ? net.connect(server) : net.connect(server));
  let session: http2.ClientHttp2Session | undefined;
  let closed = false;

  const connected = (): http2.ClientHttp2Session => {
    if (session && !session.closed && !session.destroyed) return session;
    const fresh = http2.connect('http://localhost', { createConnection: dial });
    const forget = () => {
      if (session === fresh) session = undefined;
    };
    fresh.on('error', forget);
    fresh.on('goaway', forget);
    fresh.on('close', forget);
    session = fresh;
    return fresh;
  };

  const call = (method: string, request: Uint8Array, options: CallOptions): http2.ClientHttp2Stream => {
    options.signal?.throwIfAborted();
    if (closed) throw new GrpcError(grpcStatus.unavailable, 'the connection was closed');
    const stream = connected().request({
      ':method': 'POST',
      ':path': method,
      'content-type': 'application/grpc',
      te: 'trailers',
      ...(options.timeoutMs ? { 'grpc-timeout': `${Math.ceil(options.timeoutMs)}m` } : {}),
      ...options.metadata,
    });
    stream.end(frame(request));
    return stream;
  };

  return {
    async unary(method, request, options = {}) {
      for await (const answer of answers(call(method, request, options), options)) return answer;
      throw new GrpcError(grpcStatus.unknown, `${method}: no answer was sent`);
    },
    stream: (method, request, options = {}) => answers(call(method, request, options), options),
    close() {
      closed = true;
      session?.destroy();
      session = undefined;
    },
  };
}

/** Yields what a call is answered with, and throws unless its status is OK. */
async function* answers(stream: http2.ClientHttp2Stream, options: CallOptions): AsyncGenerator<Buffer> {
  let headers: http2.IncomingHttpHeaders = {};
  let timedOut = false;
  const noteHeaders = (more: http2.IncomingHttpHeaders) => {
    headers = { ...headers, ...more };
  };
  stream.on('response', noteHeaders);
  stream.on('trailers', noteHeaders);
  const cancel = () => stream.close(http2.constants.NGHTTP2_CANCEL);
  options.signal?.addEventListener('abort', cancel, { once: true });
  const timer = options.timeoutMs
    ? setTimeout(() => {
        timedOut = true;
        cancel();
      }, options.timeoutMs)
    : undefined;
  timer?.unref();
  try {
    yield* frames(stream);
  } catch (error) {
    // The cause is what a person can act on: `connect ENOENT /run/…/containerd.sock`.
    const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error;
    throw new GrpcError(grpcStatus.unavailable, messageOf(cause));
  } finally {
    clearTimeout(timer);
    options.signal?.removeEventListener('abort', cancel);
    if (!stream.closed) cancel();
  }
  options.signal?.throwIfAborted();
  if (timedOut) throw new GrpcError(grpcStatus.deadlineExceeded, `no answer within ${options.timeoutMs} ms`);
  requireOk(headers);
}

function requireOk(headers: http2.IncomingHttpHeaders): void {
  const status = headers['grpc-status'];
  if (status === '0') return;
  if (status === undefined) throw new GrpcError(grpcStatus.unavailable, 'the connection broke');
  const message = headers['grpc-message'];
  throw new GrpcError(Number(status), typeof message === 'string' ? unescapeMessage(message) : `status ${status}`);
}

/** Percent-encoded; what is not well-formed stays as it is, as gRPC's specification asks. */
function unescapeMessage(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

/** A length-prefixed message: one byte of flags (0: not compressed), four of length. */
function frame(message: Uint8Array): Buffer {
  const head = Buffer.alloc(5);
  head.writeUInt32BE(message.length, 1);
  return Buffer.concat([head, message]);
}

async function* frames(stream: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  let pending: Buffer[] = [];
  let size = 0;
  for await (const chunk of stream) {
    pending.push(chunk);
    size += chunk.length;
    if (size < 5) continue;
    let all = Buffer.concat(pending);
    while (all.length >= 5 && all.length >= 5 + all.readUInt32BE(1)) {
      const end = 5 + all.readUInt32BE(1);
      yield all.subarray(5, end);
      all = all.subarray(end);
    }
    pending = all.length > 0 ? [all] : [];
    size = all.length;
  }
}
