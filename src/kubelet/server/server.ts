import { once } from 'node:events';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { createServer } from 'node:https';
import type { Duplex } from 'node:stream';
import { TLSSocket } from 'node:tls';
import type { Log } from '../../base/log.ts';
import type { Running } from '../../base/running.ts';
import { HttpError, httpErrorOf, refuse, type UpgradeCall } from './answer.ts';
import { serveContainerLogs } from './container-logs.ts';
import type { NodeView } from './node.ts';
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
  /** Groups (O of a client's certificate) that may do everything here. Default `system:masters`. */
  readonly allowedGroups?: readonly string[];
  /** Users (CN) that may. Default: the API server's, `kube-apiserver-kubelet-client`. */
  readonly allowedUsers?: readonly string[];
}

export interface KubeletServer extends Running {
  /** The port it listens on: the chosen one where 0 was asked for. */
  readonly port: number;
}

/**
 * The kubelet's HTTPS API: `/healthz`, `/pods`, `/stats/summary`, `/metrics/resource`, `/containerLogs`, `/exec`, `/attach`, `/portForward`, at the paths and
 * with the parameters of Kubernetes' kubelet, for its API server.
 */
export async function startKubeletServer(options: KubeletServerOptions): Promise<KubeletServer> {
  const { cert, key, clientCA } = options.tls;
  // Who has no certificate is let in as far as an answer that says so.
  const server = createServer({ cert, key, ca: clientCA, requestCert: true, rejectUnauthorized: false });
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
    authorize(options, request);
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

const json = (value: unknown): Told => ({ type: 'application/json', text: JSON.stringify(value) });

/** What is there to be read, by its path. */
const tellers: Readonly<Record<string, (node: NodeView) => Promise<Told>>> = {
  '/healthz': async () => ({ type: 'text/plain; charset=utf-8', text: 'ok' }),
  '/pods': async (node) => json({ kind: 'PodList', apiVersion: 'v1', metadata: {}, items: node.pods() }),
  '/stats/summary': async (node) => json(summaryOf(node.name, await node.usage(), node.pods())),
  '/metrics/resource': async (node) => ({
    type: 'text/plain; version=0.0.4; charset=utf-8',
    text: resourceMetrics(await node.usage()),
  }),
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
  if (root === 'exec' || root === 'attach' || root === 'portForward') {
    throw new HttpError(400, 'Upgrade request required');
  }
  throw new HttpError(404, '404 page not found');
}

async function upgrade(
  options: KubeletServerOptions,
  request: IncomingMessage,
  socket: Duplex,
  head: Buffer,
): Promise<void> {
  socket.on('error', () => socket.destroy());
  try {
    authorize(options, request);
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

/** Lets the API server in: by the group or the name in its client certificate. */
function authorize(options: KubeletServerOptions, { socket }: IncomingMessage): void {
  if (!(socket instanceof TLSSocket) || !socket.authorized) throw new HttpError(401, 'Unauthorized');
  const { CN, O } = socket.getPeerCertificate().subject;
  const users = [CN ?? []].flat();
  const groups = [O ?? []].flat();
  const { allowedGroups = ['system:masters'], allowedUsers = ['kube-apiserver-kubelet-client'] } = options;
  if (groups.some((group) => allowedGroups.includes(group))) return;
  if (users.some((user) => allowedUsers.includes(user))) return;
  throw new HttpError(403, `Forbidden (user=${users.join(',')}, resource=nodes, subresource=proxy)`);
}
