import type { EndpointSlice, Service } from '../api/types.ts';
import { createLog } from '../base/log.ts';
import type { Autopath } from './autopath.ts';
import { Forwarder, type ForwarderOptions } from './forward.ts';
import { DnsMetrics } from './metrics.ts';
import type { NameKey } from './names.ts';
import { planService } from './records.ts';
import type { Upstream } from './resolvconf.ts';
import { Resolver } from './resolve.ts';
import { type DnsServer, startDnsServer } from './server.ts';
import { Zone } from './zone.ts';

/** For tests: nobody reads it. */
export const quiet = createLog('dns-test', () => undefined);

export interface ServiceShape {
  readonly spec: Service['spec'];
  readonly slices?: readonly EndpointSlice[];
}

/** Endpoints as `hostname@address`, `address`, or either with `!` before it where it is not ready. */
export function slice(
  endpoints: readonly string[],
  ports: readonly [name: string, port: number][] = [],
): EndpointSlice {
  return {
    addressType: endpoints.some((text) => text.includes(':')) ? 'IPv6' : 'IPv4',
    ports: ports.map(([name, port]) => ({ name, port, protocol: 'TCP' })),
    endpoints: endpoints.map((text) => {
      const [hostname, address] = text.replace('!', '').includes('@')
        ? text.replace('!', '').split('@')
        : [undefined, text.replace('!', '')];
      return { addresses: [address ?? ''], hostname, conditions: { ready: !text.startsWith('!') } };
    }),
  };
}

export function zoneOf(
  domain: string,
  namespaces: readonly string[],
  services: Readonly<Record<string, ServiceShape>>,
): Zone {
  const zone = new Zone({ domain, ttl: 30 });
  for (const namespace of namespaces) zone.setNamespace(namespace, true);
  for (const [key, shape] of Object.entries(services)) setService(zone, key, shape);
  return zone;
}

export function setService(zone: Zone, key: string, { spec, slices = [] }: ServiceShape): void {
  const [namespace, name] = key.split('/');
  zone.setService(key, planService({ metadata: { namespace, name }, spec }, slices, zone.domain));
}

export interface TestServer extends DnsServer {
  readonly forwarder: Forwarder;
  readonly metrics: DnsMetrics;
}

export interface ServeOptions extends Partial<ForwarderOptions> {
  readonly upstreams?: readonly Upstream[];
  readonly address?: string;
  readonly autopath?: Autopath;
}

/** A real server on a free loopback port. */
export async function serve(zone: Zone, options: ServeOptions = {}): Promise<TestServer> {
  const { upstreams = [], address = '127.0.0.1', autopath } = options;
  const forwarder = new Forwarder({ routes: routesTo(upstreams), log: quiet, ...options });
  const metrics = new DnsMetrics();
  const resolver = new Resolver({ zone, forwarder, metrics, log: quiet, autopath: () => autopath });
  const server = await startDnsServer({ resolver, log: quiet, address, port: 0 });
  return {
    port: server.port,
    forwarder,
    metrics,
    stop: async () => {
      forwarder.close();
      await server.stop();
    },
  };
}

/** Routes that never change. */
export function routesTo(
  upstreams: readonly Upstream[],
  stubs: ReadonlyMap<NameKey, readonly Upstream[]> = new Map(),
): ForwarderOptions['routes'] {
  const routes = { upstreams, stubs };
  return () => routes;
}
