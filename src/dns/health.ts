import { createServer, type RequestListener } from 'node:http';
import type { Running } from '../base/running.ts';
import { Rcode } from './message.ts';
import type { ResolverStats } from './resolve.ts';

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
    server.once('error', reject);
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

export interface MetricsInput {
  readonly stats: ResolverStats;
  readonly cache: { readonly hits: number; readonly misses: number };
  readonly names: number;
}

const rcodeNames = new Map(Object.entries(Rcode).map(([name, code]) => [code as number, name]));

/** Prometheus' text under CoreDNS' names. */
export function metricsText({ stats, cache, names }: MetricsInput): string {
  const lines = [
    '# TYPE coredns_dns_requests_total counter',
    ...Object.entries(stats.requests).map(([proto, n]) => `coredns_dns_requests_total{proto="${proto}"} ${n}`),
    '# TYPE coredns_dns_responses_total counter',
    ...[...stats.responses].map(
      ([code, n]) => `coredns_dns_responses_total{rcode="${rcodeNames.get(code) ?? code}"} ${n}`,
    ),
    '# TYPE coredns_cache_hits_total counter',
    `coredns_cache_hits_total ${cache.hits}`,
    '# TYPE coredns_cache_misses_total counter',
    `coredns_cache_misses_total ${cache.misses}`,
    '# TYPE knit_dns_zone_names gauge',
    `knit_dns_zone_names ${names}`,
  ];
  return `${lines.join('\n')}\n`;
}
