import type { IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import { type WebSocket, WebSocketServer } from 'ws';

/** A message of a client may be this large; kubectl sends 32 KiB. */
const maxMessageBytes = 32 * 1024 * 1024;
/** Above this many unsent bytes the sender waits. */
const highWaterMark = 256 * 1024;
/** How often a silent client is looked after. */
const pingIntervalMs = 30_000;

const server = new WebSocketServer({
  noServer: true,
  clientTracking: false,
  perMessageDeflate: false,
  maxPayload: maxMessageBytes,
});
server.on('headers', (headers, request) => {
  const protocol = chosenProtocol.get(request);
  if (protocol !== undefined) headers.push(`Sec-WebSocket-Protocol: ${protocol}`);
});
const chosenProtocol = new WeakMap<IncomingMessage, string>();

/** The subprotocols that the client offers, its favourite first; none where it asks for no WebSocket. */
export function offeredProtocols(request: IncomingMessage): string[] {
  if (request.headers.upgrade?.toLowerCase() !== 'websocket') return [];
  const header = request.headers['sec-websocket-protocol'] ?? '';
  return header
    .split(',')
    .map((name) => name.trim())
    .filter((name) => name !== '');
}

/** Completes the WebSocket handshake with `protocol`, one of those that were offered. */
export function acceptWebSocket(
  request: IncomingMessage,
  socket: Duplex,
  head: Buffer,
  protocol: string,
): Promise<WebSocket> {
  // `ws` takes no name with a slash, as `SPDY/3.1+portforward.k8s.io` has one: it is kept from it and answered above.
  delete request.headers['sec-websocket-protocol'];
  chosenProtocol.set(request, protocol);
  return new Promise((resolve, reject) => {
    const gone = () => reject(new Error('the client went away during the handshake'));
    if (socket.destroyed) return gone();
    socket.once('close', gone);
    server.handleUpgrade(request, socket, head, (ws) => {
      socket.off('close', gone);
      ws.on('error', () => ws.terminate());
      keepAlive(ws);
      resolve(ws);
    });
  });
}

function keepAlive(ws: WebSocket): void {
  const timer = setInterval(() => ws.ping(), pingIntervalMs);
  timer.unref();
  ws.once('close', () => clearInterval(timer));
}

/** Sends a binary message; the promise, where there is one, resolves when the client has made room. */
export function sendBinary(ws: WebSocket, data: Buffer): Promise<void> | undefined {
  if (ws.readyState !== ws.OPEN) return undefined;
  if (ws.bufferedAmount < highWaterMark) {
    ws.send(data, { binary: true });
    return undefined;
  }
  // A failed send ends the WebSocket, and with it whoever waits here.
  return new Promise((resolve) => ws.send(data, { binary: true }, () => resolve()));
}
