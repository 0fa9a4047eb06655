import { once } from 'node:events';
import { createServer } from 'node:net';

/** Of these the kernel gives none to whoever asks for any: one that is free stays so until it is used. */
const first = 20_000;
const count = 10_000;

/** A port of this machine's loopback where nobody listens. */
export async function freePort(): Promise<number> {
  for (;;) {
    const port = first + Math.floor(Math.random() * count);
    const server = createServer().listen(port, '127.0.0.1');
    const isFree = await once(server, 'listening').then(
      () => true,
      () => false,
    );
    server.close();
    if (isFree) return port;
  }
}
