import type { IncomingMessage, ServerResponse } from 'node:http';
import { createServer, type Http2Session } from 'node:http2';
import type { TLSSocket } from 'node:tls';
import { MAX_HEADER_BYTES } from '../../base/headers.ts';

/** Requests that a client may have under way on a connection, its watches among them, as in Kubernetes. */
const STREAMS = 1000;
/** What a connection's streams may hold together, in megabytes. Who reads a watch too slowly is cut off before. */
const SESSION_MEMORY_MB = 1024;

/** Connections on which the client chose HTTP/2 (ALPN `h2`), as Go's clients do. */
export interface Http2Connections {
  serve(socket: TLSSocket): void;
  /** Takes no more requests; connections end with their last one. */
  close(): void;
}

/**
 * Answers requests over HTTP/2 as those over HTTP/1.1: Node's compatibility API has their shape. `socket` is the
 * connection, which many requests share.
 */
export function http2Connections(
  answer: (req: IncomingMessage, res: ServerResponse, socket: TLSSocket) => void,
): Http2Connections {
  const sessions = new Map<Http2Session, TLSSocket>();
  const server = createServer({
    settings: { maxConcurrentStreams: STREAMS, maxHeaderListSize: MAX_HEADER_BYTES },
    maxSessionMemory: SESSION_MEMORY_MB,
  });
  server.on('request', (req, res) => {
    const socket = req.stream.session && sessions.get(req.stream.session);
    if (!socket) return void req.stream.close();
    answer(req as unknown as IncomingMessage, res as unknown as ServerResponse, socket);
  });
  return {
    serve(socket) {
      server.once('session', (session) => {
        sessions.set(session, socket);
        session.once('close', () => sessions.delete(session));
      });
      server.emit('connection', socket);
    },
    close() {
      for (const session of sessions.keys()) session.close();
    },
  };
}
