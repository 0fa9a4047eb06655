import { createServer, type Server } from 'node:http';
import { KnitError } from '../base/errors.ts';
import type { Log } from '../base/log.ts';
import type { Running } from '../base/running.ts';
import type { PlanEntry } from './plan.ts';

export interface ProxyHealth {
  /** What was seen is in the kernel, or has been waiting for less than the limit. */
  healthy(): boolean;
  /** The node is not being taken away (KEP-3458): load balancers stop sending new connections. */
  nodeEligible(): boolean;
  lastUpdated(): Date;
  /** Counts an answer. */
  answered(path: 'healthz' | 'livez', code: number): void;
}

/** Where a server listens. */
export interface ListenAddress {
  /** Left out: on every address. */
  readonly host?: string;
  readonly port: number;
}

/**
 * `/healthz` and `/livez` of the proxy, as kube-proxy answers them: `/healthz` tells load balancers whether to use
 * this node, `/livez` only whether the proxy works.
 */
export async function serveHealth(address: ListenAddress, health: ProxyHealth): Promise<Running> {
  const server = createServer((request, response) => {
    const path = request.url?.split('?')[0];
    if (path !== '/healthz' && path !== '/livez') {
      response.writeHead(404).end();
      return;
    }
    const good = health.healthy() && (path === '/livez' || health.nodeEligible());
    const code = good ? 200 : 503;
    health.answered(path === '/livez' ? 'livez' : 'healthz', code);
    response.writeHead(code, { 'content-type': 'application/json', 'x-content-type-options': 'nosniff' });
    const times = { lastUpdated: health.lastUpdated().toISOString(), currentTime: new Date().toISOString() };
    response.end(JSON.stringify(path === '/livez' ? times : { ...times, nodeEligible: health.nodeEligible() }));
  });
  await listen(server, address);
  return { stop: () => close(server) };
}

/** `/metrics`, `/healthz` and `/proxyMode`, as kube-proxy has them on its port for metrics. */
export async function serveMetrics(address: ListenAddress, mode: string, metrics: () => string): Promise<Running> {
  const pages: Readonly<Record<string, () => string>> = {
    '/metrics': metrics,
    '/healthz': () => 'ok',
    '/proxyMode': () => mode,
  };
  const server = createServer((request, response) => {
    const page = pages[request.url?.split('?')[0] ?? ''];
    if (!page) {
      response.writeHead(404).end();
      return;
    }
    response.writeHead(200, { 'content-type': 'text/plain; version=0.0.4; charset=utf-8' });
    response.end(page());
  });
  await listen(server, address);
  return { stop: () => close(server) };
}

/** Answers on `healthCheckNodePort`s: 200 on nodes with an endpoint, 503 on others. */
export class ServiceHealth implements Running {
  readonly #log: Log;
  readonly #healthy: () => boolean;
  readonly #servers = new Map<number, { server: Server; key: string; localEndpoints: number }>();

  constructor(log: Log, healthy: () => boolean) {
    this.#log = log;
    this.#healthy = healthy;
  }

  update(key: string, entry: PlanEntry | undefined): void {
    const check = entry?.healthCheck;
    for (const [port, served] of this.#servers) {
      if (served.key === key && port !== check?.port) {
        this.#servers.delete(port);
        void close(served.server);
      }
    }
    if (!check) return;
    const served = this.#servers.get(check.port);
    if (served) served.localEndpoints = check.localEndpoints;
    else this.#start(key, check.port, check.localEndpoints);
  }

  async stop(): Promise<void> {
    const servers = [...this.#servers.values()];
    this.#servers.clear();
    await Promise.all(servers.map(({ server }) => close(server)));
  }

  #start(key: string, port: number, localEndpoints: number): void {
    const [namespace, name] = key.split('/');
    const server = createServer((_request, response) => {
      const count = served.localEndpoints;
      const healthy = this.#healthy();
      response.writeHead(count > 0 && healthy ? 200 : 503, {
        'content-type': 'application/json',
        'x-content-type-options': 'nosniff',
        'x-load-balancing-endpoint-weight': String(count),
      });
      response.end(
        JSON.stringify({ service: { namespace, name }, localEndpoints: count, serviceProxyHealthy: healthy }),
      );
    });
    const served = { server, key, localEndpoints };
    this.#servers.set(port, served);
    listen(server, { port }).catch((error: unknown) => {
      this.#servers.delete(port);
      this.#log.error('cannot answer on a healthCheckNodePort', { service: key, port, error });
    });
  }
}

function listen(server: Server, { host, port }: ListenAddress): Promise<void> {
  return new Promise((resolve, reject) => {
    const failed = (error: Error) =>
      reject(
        new KnitError('PORT_IN_USE', `cannot listen on port ${port}: ${error.message}`, 'is another proxy running?'),
      );
    server.once('error', failed);
    server.listen({ host, port }, () => {
      server.off('error', failed);
      resolve();
    });
  });
}

function close(server: Server): Promise<void> {
  return new Promise((resolve) => {
    server.close(() => resolve());
    server.closeAllConnections();
  });
}
