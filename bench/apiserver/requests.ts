import type { IncomingMessage } from 'node:http';
import * as https from 'node:https';
import type { Served } from './server.ts';

/** Speaks to the measured process as its administrator, over connections that stay open. */
export function requestsTo({ ca, cert, key }: Served, url: string, connections: number) {
  const { port } = new URL(url);
  const agent = new https.Agent({ keepAlive: true, maxSockets: connections, ca, cert, key });
  const open = (method: string, path: string, body?: string | Buffer) =>
    new Promise<IncomingMessage>((resolve, reject) => {
      const headers =
        body === undefined ? {} : { 'content-type': contentType(method), 'content-length': Buffer.byteLength(body) };
      const call = https.request({ agent, host: '127.0.0.1', port, method, path, headers });
      call.once('response', resolve);
      call.once('error', reject);
      call.end(body);
    });
  return {
    open,
    /** The size of the answer, which is read whole. */
    async send(method: string, path: string, body?: string | Buffer): Promise<Buffer> {
      const response = await open(method, path, body);
      const chunks: Buffer[] = [];
      for await (const chunk of response) chunks.push(chunk);
      const bytes = Buffer.concat(chunks);
      if ((response.statusCode ?? 500) >= 400) throw new Error(`${method} ${path}: ${bytes.toString('utf8')}`);
      return bytes;
    },
    close: () => agent.destroy(),
  };
}

export type Requests = ReturnType<typeof requestsTo>;

const contentType = (method: string) => (method === 'PATCH' ? 'application/merge-patch+json' : 'application/json');
