import { setTimeout as delay } from 'node:timers/promises';
import type { Log } from '../base/log.ts';
import type { Running } from '../base/running.ts';
import type { InformerFactory } from '../client/informer.ts';
import { AutopathSwitch } from './autopath.ts';
import { feedZone } from './feed.ts';
import { Forwarder } from './forward.ts';
import { type HttpAnswer, startHttp } from './health.ts';
import { DnsMetrics, metricsText } from './metrics.ts';
import type { DnsOptions } from './options.ts';
import { Resolver } from './resolve.ts';
import { Routing } from './routing.ts';
import { startDnsServer } from './server.ts';
import { feedSettings } from './settings.ts';
import { Zone } from './zone.ts';

/** The config map is waited for so long: one that may not be read must not keep the cluster's names from being ready. */
const settingsMs = 1000;
/** Questions that wait for an upstream at the end may do so for as long as one try has. */
const finishMs = 2000;

export interface StartDnsOptions extends DnsOptions {
  readonly informers: InformerFactory;
  readonly log: Log;
  /** Of knit, for metrics. */
  readonly version: string;
}

export interface Dns extends Running {
  /** Where it listens; `dns` is 0 until {@link serving}. */
  readonly ports: { readonly dns: number; readonly health: number; readonly ready: number; readonly metrics: number };
  /** Not ready from now on, but still answering. */
  drain(): void;
  /** Resolves when it answers questions; rejects where it never will (a taken port). */
  readonly serving: Promise<void>;
  /** Ends when the questions that wait for an upstream have their answers, or after 2 s. */
  stop(): Promise<void>;
}

/**
 * Cluster DNS as one thing: zone, forwarder, listeners and health. Resolves when health is answered. Questions are taken
 * only when the zone is in sync, so that a name which is there is never denied; `/ready` says when.
 */
export async function startDns(options: StartDnsOptions): Promise<Dns> {
  const { informers, log, address, version } = options;
  const metrics = new DnsMetrics();
  const zone = new Zone({ domain: options.domain, ttl: options.ttl });
  const routing = new Routing(options, log);
  const forwarder = new Forwarder({ routes: () => routing.routes(), log });
  const autopath = new AutopathSwitch({
    client: informers.client,
    log,
    domain: zone.domain,
    searches: () => routing.searches(),
  });
  const resolver = new Resolver({ zone, forwarder, metrics, log, autopath: () => autopath.current });
  const settings = feedSettings(informers, log, (changed) => {
    routing.use(changed);
    autopath.turn(changed.autopath);
  });
  const parts: Running[] = [autopath];
  const ports = { dns: 0, health: 0, ready: 0, metrics: 0 };
  let state: 'syncing' | 'serving' | 'draining' | 'stopped' = 'syncing';

  const paths = {
    health: () => [200, 'OK'] as const,
    ready: () => (state === 'serving' ? ([200, 'OK'] as const) : ([503, `${state}\n`] as const)),
    metrics: () => {
      const input = { version, port: options.port, metrics, forwarder, names: zone.size };
      return [200, metricsText({ ...input, refusedSettings: settings.refused })] as const;
    },
  };
  const isStopped = () => state === 'stopped';
  const stop = async () => {
    state = 'stopped';
    await Promise.race([resolver.whenIdle(), delay(finishMs, undefined, { ref: false })]);
    await Promise.all(parts.map((part) => part.stop()));
    forwarder.close();
  };
  const serve = async () => {
    const fed = feedZone(zone, informers, (seconds) => metrics.programming.observe(seconds));
    // It ends early where everything is stopped, and late where something that can be missed may not be read.
    await Promise.race([fed, informers.start()]);
    await Promise.race([settings.synced, delay(settingsMs, undefined, { ref: false })]);
    if (state !== 'syncing') return;
    const server = await startDnsServer({ resolver, log, address, port: options.port });
    // The end may have come meanwhile.
    if (isStopped()) return server.stop();
    parts.push(server);
    ports.dns = server.port;
    state = 'serving';
    log.info('serving', { names: zone.size, port: server.port });
    // Not waited for: a dead upstream must not keep the cluster's names from being ready.
    void forwarder.checkLoop();
    // What the lists were parsed from: nothing that comes later is large enough to make V8 look for it, or give it back.
    globalThis.gc?.({ type: 'major', flavor: 'last-resort', execution: 'sync' });
  };
  const listen = async (port: number, path: string, answer: HttpAnswer) => {
    const http = await startHttp(port, address, { [path]: answer });
    parts.push(http);
    return http.port;
  };
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
