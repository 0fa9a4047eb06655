import type { Duplex } from 'node:stream';
import type { RawData, WebSocket } from 'ws';
import { sendBinary } from './websocket.ts';

/** The prefix of WebSocket subprotocols whose binary messages carry the bytes of a SPDY connection (KEP-4006). */
export const tunnelPrefix = 'SPDY/3.1+';

/** Carries a byte stream between WebSocket messages and a socket, until either side closes. */
export async function tunnel(ws: WebSocket, socket: Duplex, head: Buffer): Promise<void> {
  ws.on('message', (data: RawData) => {
    if (!socket.writable || socket.write(data as Buffer)) return;
    ws.pause();
    socket.once('drain', () => ws.resume());
  });
  ws.once('close', () => socket.destroy());
  socket.on('error', () => socket.destroy());
  if (head.length > 0) await sendBinary(ws, head);
  try {
    for await (const chunk of socket as AsyncIterable<Buffer>) await sendBinary(ws, chunk);
  } catch (error) {
    // The client has left, as port-forward always ends: that the socket was cut is our doing.
    if (ws.readyState === ws.OPEN) throw error;
  } finally {
    ws.close(1000);
    socket.destroy();
  }
}
