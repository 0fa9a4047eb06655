import { once } from 'node:events';
import { WebSocket } from 'ws';
import type { ClientTls } from '../../src/apiserver/streaming/target.ts';

/** A client of the WebSocket protocol v5.channel.k8s.io. */
export interface ChannelClient {
  readonly ws: WebSocket;
  readonly stdout: Buffer[];
  readonly stderr: Buffer[];
  stdin(data: Buffer | string): Promise<void>;
  closeStdin(): void;
  resize(width: number, height: number): void;
  /** Resolves when `text` has come on stdout. */
  until(text: string): Promise<void>;
  /** The Status at the end. */
  readonly status: Promise<{ status: string; reason?: string; message?: string; details?: unknown }>;
}

export async function openChannels(
  url: string,
  credentials: ClientTls,
  protocols = ['v5.channel.k8s.io'],
): Promise<ChannelClient> {
  const ws = new WebSocket(url.replace(/^http/, 'ws'), protocols, { ...credentials });
  const stdout: Buffer[] = [];
  const stderr: Buffer[] = [];
  const errors: Buffer[] = [];
  ws.on('message', (data: Buffer) => {
    const list = [undefined, stdout, stderr, errors][data[0] ?? 0];
    list?.push(data.subarray(1));
  });
  const status = once(ws, 'close').then(() => JSON.parse(Buffer.concat(errors).toString()));
  status.catch(() => undefined);
  await new Promise<void>((resolve, reject) => {
    ws.once('open', resolve);
    ws.once('error', reject);
    ws.once('unexpected-response', (_request, response) => {
      let body = '';
      response.on('data', (chunk) => {
        body += chunk;
      });
      response.on('end', () => reject(new Error(`${response.statusCode} ${body}`)));
    });
  });
  return {
    ws,
    stdout,
    stderr,
    status,
    stdin: (data) =>
      new Promise((resolve, reject) =>
        ws.send(Buffer.concat([Buffer.of(0), Buffer.from(data)]), (error) => (error ? reject(error) : resolve())),
      ),
    closeStdin: () => ws.send(Buffer.of(255, 0)),
    resize: (Width, Height) => ws.send(Buffer.concat([Buffer.of(4), Buffer.from(JSON.stringify({ Width, Height }))])),
    async until(text) {
      while (!Buffer.concat(stdout).includes(text)) await once(ws, 'message', { signal: AbortSignal.timeout(30_000) });
    },
  };
}
