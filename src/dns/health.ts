import { createServer, type RequestListener } from 'node:http';
import type { Running } from '../base/running.ts';
import { listenError } from './server.ts';

export type HttpAnswer = () => readonly [status: number, text: string];

export interface HttpServer extends Running {
  readonly port: number;
}

/** Answers `paths` over HTTP, each with a status and a text; everything else is 404. */
export function startHttp(
  port: number,
  address: string,
  paths: Readonly<Record<string, HttpAnswer>>,
): Promise<HttpServer> {
  const listener: RequestListener = (request, response) => {
    const [status, text] = paths[request.url ?? '']?.() ?? [404, 'not found\n'];
    response.writeHead(status, { 'content-type': 'text/plain; charset=utf-8' }).end(text);
  };
  const server = createServer(listener);
  return new Promise((resolve, reject) => {
    server.once('error', (error) => reject(listenError(error, address, port)));
    server.listen(port, address, () => {
      let stopped: Promise<void> | undefined;
      const stop = () => {
        stopped ??= new Promise<void>((done) => {
          server.close(() => done());
          server.closeAllConnections();
        });
        return stopped;
      };
      const listening = server.address();
      resolve({ port: typeof listening === 'object' && listening ? listening.port : port, stop });
    });
  });
}
