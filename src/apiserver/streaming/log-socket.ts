import type { IncomingMessage } from 'node:http';
import type { Duplex, Readable } from 'node:stream';
import type { WebSocket } from 'ws';
import type { Destination } from './locate.ts';
import { kubeletLog } from './stream.ts';

const BASE64 = 'base64.binary.k8s.io';
/** Subprotocols of Kubernetes' one-way streams; who names none gets the first. */
const PROTOCOLS = ['binary.k8s.io', BASE64];

/**
 * Sends a log over a WebSocket, for clients that cannot read an answer as it comes (browsers). Throws what the kubelet
 * says where it has none to give: then nothing was answered yet.
 */
export async function sendLogFrames(
  { req, socket, head }: { readonly req: IncomingMessage; readonly socket: Duplex; readonly head: Buffer },
  { target, tls }: Destination,
): Promise<void> {
  const gone = new AbortController();
  socket.once('close', () => gone.abort());
  const [{ body }, { WebSocketServer }] = await Promise.all([
    kubeletLog({ target, tls, signal: gone.signal }),
    import('ws'),
  ]);
  const server = new WebSocketServer({
    noServer: true,
    clientTracking: false,
    perMessageDeflate: false,
    handleProtocols: (offered) => PROTOCOLS.find((protocol) => offered.has(protocol)) ?? false,
  });
  server.handleUpgrade(req, socket, head, (ws) => {
    ws.on('error', () => ws.terminate());
    // A log that breaks off ends the socket: its reader sees that it was not the end.
    sendAll(ws, body).then(
      () => ws.close(1000),
      () => ws.terminate(),
    );
  });
}

async function sendAll(ws: WebSocket, body: Readable): Promise<void> {
  for await (const chunk of body as AsyncIterable<Buffer>) {
    const message = ws.protocol === BASE64 ? chunk.toString('base64') : chunk;
    await new Promise<void>((resolve, reject) => ws.send(message, (error) => (error ? reject(error) : resolve())));
  }
}
