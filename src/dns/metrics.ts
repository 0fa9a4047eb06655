import { Histogram } from '../base/metrics.ts';
import type { AnswerCache } from './cache.ts';
import type { Forwarder } from './forward.ts';
import { Rcode, Type } from './message.ts';
import type { Protocol } from './response.ts';
import { timeBounds } from './upstream.ts';

/** Who made an answer, as CoreDNS names its parts; '' for what was refused before any of them was asked. */
const plugins = ['', 'kubernetes', 'cache', 'forward', 'autopath'] as const;
export type Plugin = (typeof plugins)[number];

/** CoreDNS' buckets for message sizes. */
const sizeBounds = [0, 100, 200, 300, 400, 511, 1023, 2047, 4095, 8291, 16_000, 32_000, 48_000, 64_000];
/** And for how long a change takes into the zone, in seconds: 1 ms to 9 minutes. */
const programmingBounds = Array.from({ length: 20 }, (_, power) => 0.001 * 2 ** power);

const { HINFO, OPT, ...counted } = Type;
const typeNames = new Map<number, string>(Object.entries(counted).map(([name, code]) => [code, name]));
const rcodeNames = new Map<number, string>(Object.entries(Rcode).map(([name, code]) => [code, name]));
const rcodeName = (rcode: number) => rcodeNames.get(rcode) ?? String(rcode);

/** What is counted of each question, as numbers: they get their names when somebody reads them. */
export class DnsMetrics {
  /** By type · 4 + protocol · 2 + family. */
  readonly #requests = new Map<number, number>();
  /** By code · 8 + plugin. */
  readonly #responses = new Map<number, number>();
  readonly #durations = new Histogram(timeBounds);
  readonly #requestSizes = { udp: new Histogram(sizeBounds), tcp: new Histogram(sizeBounds) };
  readonly #responseSizes = { udp: new Histogram(sizeBounds), tcp: new Histogram(sizeBounds) };
  /** From the cause of a change of endpoints to the zone that has it. */
  readonly programming = new Histogram(programmingBounds);
  /** Questions with "DNSSEC OK". */
  dnssec = 0;
  autopaths = 0;
  /** Questions that met a mistake of ours. */
  panics = 0;

  asked(type: number, protocol: Protocol, isIPv6: boolean, bytes: number): void {
    const key = (typeNames.has(type) ? type : 0) * 4 + (protocol === 'tcp' ? 2 : 0) + (isIPv6 ? 1 : 0);
    this.#requests.set(key, (this.#requests.get(key) ?? 0) + 1);
    this.#requestSizes[protocol].observe(bytes);
  }

  answered(rcode: number, plugin: Plugin, protocol: Protocol, bytes: number, ms: number): void {
    const key = rcode * 8 + plugins.indexOf(plugin);
    this.#responses.set(key, (this.#responses.get(key) ?? 0) + 1);
    this.#responseSizes[protocol].observe(bytes);
    this.#durations.observe(ms / 1000);
  }

  lines(server: string): string[] {
    const labels = `server="${server}",zone=".",view=""`;
    const requests = [...this.#requests].map(([key, count]) => {
      const type = typeNames.get(key >> 2) ?? 'other';
      return [`${labels},proto="${key & 2 ? 'tcp' : 'udp'}",family="${1 + (key & 1)}",type="${type}"`, count] as const;
    });
    const responses = [...this.#responses].map(
      ([key, count]) => [`${labels},rcode="${rcodeName(key >> 3)}",plugin="${plugins[key & 7]}"`, count] as const,
    );
    const sizes = (of: Record<Protocol, Histogram>) =>
      (['udp', 'tcp'] as const).map((protocol) => [`${labels},proto="${protocol}"`, of[protocol]] as const);
    return [
      ...counter('coredns_dns_requests_total', requests),
      ...counter('coredns_dns_do_requests_total', [[labels, this.dnssec]]),
      ...counter('coredns_dns_responses_total', responses),
      ...histogram('coredns_dns_request_duration_seconds', [[labels, this.#durations]]),
      ...histogram('coredns_dns_request_size_bytes', sizes(this.#requestSizes)),
      ...histogram('coredns_dns_response_size_bytes', sizes(this.#responseSizes)),
      ...histogram('coredns_kubernetes_dns_programming_duration_seconds', [
        ['service_kind="headless_with_selector"', this.programming],
      ]),
      ...counter('coredns_autopath_success_total', [[`server="${server}"`, this.autopaths]]),
      ...counter('coredns_panics_total', [['', this.panics]]),
    ];
  }
}

export interface MetricsInput {
  readonly version: string;
  readonly port: number;
  readonly metrics: DnsMetrics;
  readonly forwarder: Forwarder;
  readonly names: number;
  readonly refusedSettings: number;
}

/** Prometheus' text, under CoreDNS' names. */
export function metricsText({ version, port, metrics, forwarder, names, refusedSettings }: MetricsInput): string {
  const server = `dns://:${port}`;
  const build = `version="knit-${version}",revision="",goversion=""`;
  const lines = [
    ...gauge('coredns_build_info', [[build, 1]]),
    ...metrics.lines(server),
    ...cacheLines(forwarder.cache, `server="${server}",zones=".",view=""`),
    ...forwardLines(forwarder),
    ...counter('coredns_reload_failed_total', [['', refusedSettings]]),
    ...gauge('knit_dns_zone_names', [['', names]]),
    ...gauge('process_resident_memory_bytes', [['', process.memoryUsage.rss()]]),
    ...counter('process_cpu_seconds_total', [['', cpuSeconds()]]),
    ...gauge('process_start_time_seconds', [['', performance.timeOrigin / 1000]]),
  ];
  return `${lines.join('\n')}\n`;
}

function cacheLines({ stats }: AnswerCache, labels: string): string[] {
  const byType = (of: { success: number; denial: number }) =>
    Object.entries(of).map(([type, count]) => [`${labels},type="${type}"`, count] as const);
  return [
    ...gauge('coredns_cache_entries', byType(stats.entries)),
    ...counter('coredns_cache_requests_total', [[labels, stats.requests]]),
    ...counter('coredns_cache_hits_total', byType(stats.hits)),
    ...counter('coredns_cache_misses_total', [[labels, stats.requests - stats.hits.success - stats.hits.denial]]),
    ...counter('coredns_cache_evictions_total', [[labels, stats.evictions]]),
  ];
}

/** CoreDNS has each of an upstream's times twice: under an old and a new name. */
function forwardLines({ servers, stats }: Forwarder): string[] {
  const all = [...servers];
  const times = all.flatMap((server) =>
    [...server.durations].map(([rcode, of]) => [`to="${server.name}",rcode="${rcodeName(rcode)}"`, of] as const),
  );
  const probes = all.map((server) => [`to="${server.name}"`, server.failedProbes] as const);
  const proxy = <T>(samples: readonly Sample<T>[]) =>
    samples.map(([labels, value]) => [`proxy_name="forward",${labels}`, value] as const);
  const requests = all.map((server) => {
    const counts = [...server.durations.values()].map(({ count }) => count);
    return [`to="${server.name}"`, counts.reduce((sum, count) => sum + count, 0)] as const;
  });
  return [
    ...counter('coredns_forward_requests_total', requests),
    ...counter(
      'coredns_forward_responses_total',
      times.map(([labels, { count }]) => [labels, count] as const),
    ),
    ...histogram('coredns_forward_request_duration_seconds', times),
    ...histogram('coredns_proxy_request_duration_seconds', proxy(times)),
    ...counter('coredns_forward_healthcheck_failures_total', probes),
    ...counter('coredns_proxy_healthcheck_failures_total', proxy(probes)),
    ...counter('coredns_forward_healthcheck_broken_total', [['', stats.allDown]]),
    ...counter('coredns_forward_max_concurrent_rejects_total', [['', stats.refused]]),
  ];
}

type Sample<T> = readonly [labels: string, value: T];

const counter = (name: string, samples: readonly Sample<number>[]) => family(name, 'counter', samples);
const gauge = (name: string, samples: readonly Sample<number>[]) => family(name, 'gauge', samples);

function family(name: string, type: string, samples: readonly Sample<number>[]): string[] {
  if (samples.length === 0) return [];
  return [`# TYPE ${name} ${type}`, ...samples.map(([labels, value]) => `${name}${labels && `{${labels}}`} ${value}`)];
}

function histogram(name: string, samples: readonly Sample<Histogram>[]): string[] {
  if (samples.length === 0) return [];
  return [`# TYPE ${name} histogram`, ...samples.flatMap(([labels, value]) => value.lines(name, labels))];
}

function cpuSeconds(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1e6;
}
