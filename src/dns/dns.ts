import { readFile } from 'node:fs/promises';
import type { Log } from '../base/log.ts';
import type { Running } from '../base/running.ts';
import type { InformerFactory } from '../client/informer.ts';
import { feedZone } from './feed.ts';
import { Forwarder } from './forward.ts';
import { type HttpAnswer, metricsText, startHttp } from './health.ts';
import type { DnsOptions } from './options.ts';
import { parseNameServers, type Upstream } from './resolvconf.ts';
import { Resolver } from './resolve.ts';
import { startDnsServer } from './server.ts';
import { Zone } from './zone.ts';

export interface StartDnsOptions extends DnsOptions {
  readonly informers: InformerFactory;
  readonly log: Log;
}

export interface Dns extends Running {
  /** Where it listens; `dns` is 0 until {@link serving}. */
  readonly ports: { readonly dns: number; readonly health: number; readonly ready: number; readonly metrics: number };
  /** Not ready from now on, but still answering. */
  drain(): void;
  /** Resolves when it answers questions; rejects where it never will (a taken port). */
  readonly serving: Promise<void>;
}

/**
 * Cluster DNS as one thing: zone, forwarder, listeners and health. Resolves when health is answered. Questions are taken
 * only when the zone is in sync, so that a name which is there is never denied; `/ready` says when.
 */
export async function startDns(options: StartDnsOptions): Promise<Dns> {
  const { informers, log, address } = options;
  const zone = new Zone({ domain: options.domain, ttl: options.ttl });
  const forwarder = new Forwarder({ upstreams: await upstreamsOf(options), log });
  const resolver = new Resolver({ zone, forwarder, log });
  const parts: Running[] = [];
  let state: 'syncing' | 'serving' | 'draining' | 'stopped' = 'syncing';

  const paths = {
    health: () => [200, 'OK'] as const,
    ready: () => (state === 'serving' ? ([200, 'OK'] as const) : ([503, `${state}\n`] as const)),
    metrics: () => [200, metricsText({ stats: resolver.stats, cache: forwarder.cache, names: zone.size })] as const,
  };
  const isStopped = () => state === 'stopped';
  const stop = async () => {
    state = 'stopped';
    await Promise.all(parts.map((part) => part.stop()));
    forwarder.close();
  };
  const serve = async () => {
    feedZone(zone, informers);
    await informers.start();
    if (state !== 'syncing') return;
    const server = await startDnsServer({ resolver, log, address, port: options.port });
    // The end may have come meanwhile.
    if (isStopped()) return server.stop();
    parts.push(server);
    ports.dns = server.port;
    state = 'serving';
    log.info('serving', { names: zone.size, port: options.port });
    // Not waited for: a dead upstream must not keep the cluster's names from being ready.
    void forwarder.checkLoop();
  };
  const listen = async (port: number, path: string, answer: HttpAnswer) => {
    const http = await startHttp(port, address, { [path]: answer });
    parts.push(http);
    return http.port;
  };
  const ports = { dns: 0, health: 0, ready: 0, metrics: 0 };
  try {
    ports.health = await listen(options.healthPort, '/health', paths.health);
    ports.ready = await listen(options.readyPort, '/ready', paths.ready);
    ports.metrics = await listen(options.metricsPort, '/metrics', paths.metrics);
  } catch (error) {
    await stop();
    throw error;
  }
  return {
    ports,
    serving: serve(),
    drain() {
      if (state === 'serving') state = 'draining';
    },
    stop,
  };
}

/** resolv.conf's servers, without those that are this server itself. */
async function upstreamsOf(options: DnsOptions): Promise<readonly Upstream[]> {
  const upstreams =
    options.upstreams.length > 0 ? options.upstreams : parseNameServers(await readFile(options.resolvConf, 'utf8'));
  return upstreams.filter(({ address, port }) => port !== options.port || !options.ownAddresses.includes(address));
}
