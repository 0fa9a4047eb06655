import { once } from 'node:events';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { createServer } from 'node:https';
import type { Duplex } from 'node:stream';
import type { Pod } from '../../api/types.ts';
import { MAX_HEADER_BYTES } from '../../base/headers.ts';
import type { Log } from '../../base/log.ts';
import type { Running } from '../../base/running.ts';
import { authorize, type Reviews } from './access.ts';
import { HttpError, httpErrorOf, refuse, type UpgradeCall } from './answer.ts';
import { serveContainerLogs } from './container-logs.ts';
import { cadvisorMetrics, kubeletMetrics } from './metrics.ts';
import type { NodeView } from './node.ts';
import { type LogFolders, serveNodeLogs } from './node-logs.ts';
import { servePortForward } from './port-forward.ts';
import { serveRemoteCommand } from './remote-command.ts';
import { resourceMetrics, summaryOf } from './stats.ts';

export interface KubeletServerOptions {
  readonly log: Log;
  /** Address to listen on; `0.0.0.0` for all of the node. */
  readonly host: string;
  /** Kubernetes' number is 10250. */
  readonly port: number;
  /** All PEM. Clients must have a certificate of `clientCA`. */
  readonly tls: { readonly cert: string; readonly key: string; readonly clientCA: string };
  readonly node: NodeView;
  /** Asks the API server about callers; without them only the API server itself is let in. */
  readonly reviews?: Reviews;
  /** What is shown in `/logs/`; left out: nothing. */
  readonly logs?: LogFolders;
}

export interface KubeletServer extends Running {
  /** The port it listens on: the chosen one where 0 was asked for. */
  readonly port: number;
}

/**
 * The kubelet's HTTPS API: `/healthz`, `/pods`, `/configz`, `/stats/summary`, `/metrics` and those below it,
 * `/logs`, `/containerLogs`, `/exec`, `/attach`, `/portForward`, at the paths and with the parameters of Kubernetes' kubelet.
 */
export async function startKubeletServer(options: KubeletServerOptions): Promise<KubeletServer> {
  const { cert, key, clientCA } = options.tls;
  // Who has no certificate is let in as far as an answer that says so.
  const tls = { cert, key, ca: clientCA, requestCert: true, rejectUnauthorized: false };
  const server = createServer({ ...tls, maxHeaderSize: MAX_HEADER_BYTES });
  const sockets = new Set<Duplex>();
  server.on('secureConnection', (socket) => {
    sockets.add(socket);
    socket.once('close', () => sockets.delete(socket));
  });
  server.on('request', (request, response) => {
    void answer(options, request, response);
  });
  server.on('upgrade', (request, socket, head) => {
    void upgrade(options, request, socket, head);
  });
  server.listen(options.port, options.host);
  await once(server, 'listening');
  server.on('error', (error) => options.log.error('the kubelet server failed', { error }));
  const address = server.address();
  return {
    port: typeof address === 'object' && address ? address.port : options.port,
    async stop() {
      if (!server.listening) return;
      const closed = once(server, 'close');
      server.close();
      for (const socket of sockets) socket.destroy();
      await closed;
    },
  };
}

async function answer(
  options: KubeletServerOptions,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  try {
    await authorize(request, pathnameOf(request), options.reviews);
    await route(options, request, response);
  } catch (error) {
    const { statusCode, message } = httpErrorOf(error);
    if (statusCode >= 500) options.log.warn('request failed', { url: request.url, error });
    if (response.headersSent) {
      response.destroy();
      return;
    }
    response.writeHead(statusCode, { 'Content-Type': 'text/plain; charset=utf-8' });
    response.end(message);
  }
}

interface Told {
  readonly type: string;
  readonly text: string;
}

const metrics = (text: string): Told => ({ type: 'text/plain; version=0.0.4; charset=utf-8', text });
const podList = (items: readonly Pod[]): Told => json({ kind: 'PodList', apiVersion: 'v1', metadata: {}, items });
const json = (value: unknown): Told => ({ type: 'application/json', text: JSON.stringify(value) });

const configuration = { kind: 'KubeletConfiguration', apiVersion: 'kubelet.config.k8s.io/v1beta1' };

/** What is there to be read, by its path. */
const tellers: Readonly<Record<string, (node: NodeView) => Promise<Told>>> = {
  '/healthz': async () => ({ type: 'text/plain; charset=utf-8', text: 'ok' }),
  '/pods': async (node) => podList(node.pods()),
  '/runningpods/': async (node) => podList(node.pods().filter(({ status }) => status?.phase === 'Running')),
  '/configz': async (node) => json({ kubeletconfig: { ...configuration, ...node.settings } }),
  '/stats/summary': async (node) => json(summaryOf(node.name, await node.usage(), node.pods())),
  '/metrics': async (node) => metrics(kubeletMetrics(node)),
  '/metrics/cadvisor': async (node) => metrics(cadvisorMetrics(await node.usage())),
  '/metrics/resource': async (node) => metrics(resourceMetrics(await node.usage())),
};

async function route(options: KubeletServerOptions, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const url = new URL(request.url ?? '/', 'https://kubelet');
  const [root, ...rest] = pathOf(url);
  const tell = tellers[url.pathname];
  if (tell) {
    const { type, text } = await tell(options.node);
    response.setHeader('Content-Type', type);
    response.end(text);
    return;
  }
  const [namespace, pod, container] = rest;
  if (root === 'containerLogs' && namespace && pod && container && rest.length === 3) {
    if (request.method !== 'GET') throw new HttpError(405, 'Method Not Allowed');
    return serveContainerLogs(response, url.searchParams, { namespace, pod, container }, options.node);
  }
  if (root === 'logs' && options.logs) {
    if (request.method !== 'GET') throw new HttpError(405, 'Method Not Allowed');
    return serveNodeLogs(response, rest, options.logs);
  }
  if (root === 'exec' || root === 'attach' || root === 'portForward') {
    throw new HttpError(400, 'Upgrade request required');
  }
  throw new HttpError(404, '404 page not found');
}

const pathnameOf = (request: IncomingMessage): string => new URL(request.url ?? '/', 'https://kubelet').pathname;

async function upgrade(
  options: KubeletServerOptions,
  request: IncomingMessage,
  socket: Duplex,
  head: Buffer,
): Promise<void> {
  socket.on('error', () => socket.destroy());
  try {
    await authorize(request, pathnameOf(request), options.reviews);
    await routeUpgrade(options, { request, socket, head, url: new URL(request.url ?? '/', 'https://kubelet') });
  } catch (error) {
    if (httpErrorOf(error).statusCode >= 500) options.log.warn('stream failed', { url: request.url, error });
    refuse(socket, error);
  }
}

async function routeUpgrade(options: KubeletServerOptions, call: UpgradeCall): Promise<void> {
  const [root, namespace, pod, container, ...rest] = pathOf(call.url);
  if ((root === 'exec' || root === 'attach') && namespace && pod && container && rest.length === 0) {
    return serveRemoteCommand(call, root, { namespace, pod, container }, options.node);
  }
  if (root === 'portForward' && namespace && pod && container === undefined) {
    return servePortForward(call, { namespace, pod }, options.node);
  }
  throw new HttpError(404, '404 page not found');
}

function pathOf(url: URL): string[] {
  try {
    return url.pathname
      .split('/')
      .slice(1)
      .map((part) => decodeURIComponent(part));
  } catch {
    throw new HttpError(400, 'the path is not well encoded');
  }
}
