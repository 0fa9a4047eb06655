import type { EndpointSlice } from '../api/types.ts';
import { family, Histogram, type MetricType } from '../base/metrics.ts';

/** Written by whoever makes an EndpointSlice: when the pod or the Service changed that it tells of. */
const TRIGGER_TIME = 'endpoints.kubernetes.io/last-change-trigger-time';

const range = (from: number, step: number, count: number) => Array.from({ length: count }, (_, i) => from + i * step);
/** kube-proxy's buckets, in seconds. */
const SYNC_BOUNDS = Array.from({ length: 15 }, (_, power) => 0.001 * 2 ** power);
const PROGRAMMING_BOUNDS = [...range(0.25, 0.25, 2), ...range(1, 1, 59), ...range(60, 5, 12), ...range(120, 30, 7)];

/** What the proxy of a node tells of itself, under kube-proxy's names. */
export class ProxyMetrics {
  readonly #startedAt = Date.now();
  readonly #sync = new Histogram(SYNC_BOUNDS);
  readonly #full = new Histogram(SYNC_BOUNDS);
  readonly #partial = new Histogram(SYNC_BOUNDS);
  readonly #programming = new Histogram(PROGRAMMING_BOUNDS);
  /** Times of changes that are not in the kernel yet, in ms. */
  #triggers: number[] = [];
  #changes = { service: { pending: 0, total: 0 }, endpoint: { pending: 0, total: 0 } };
  #lastSync = 0;
  #lastQueued = 0;
  failures = 0;
  readonly #answers = new Map<string, number>();

  changed(kind: 'service' | 'endpoint'): void {
    this.#changes[kind].total++;
    this.#changes[kind].pending++;
    this.#lastQueued = Date.now();
  }

  /** Of a slice that came or changed, since this process started: what was there before says nothing of its speed. */
  sliceChanged(now: EndpointSlice, old: EndpointSlice | undefined): void {
    const trigger = now.metadata?.annotations?.[TRIGGER_TIME];
    if (trigger === undefined || trigger === old?.metadata?.annotations?.[TRIGGER_TIME]) return;
    const at = Date.parse(trigger);
    if (at >= this.#startedAt) this.#triggers.push(at);
  }

  /** What changes count from now on is not in the sync that begins. */
  begin(): SyncInProgress {
    const triggers = this.#triggers;
    this.#triggers = [];
    for (const change of Object.values(this.#changes)) change.pending = 0;
    return { startedAt: performance.now(), triggers };
  }

  /** Everything up to `begin` is in the kernel. */
  done({ startedAt, triggers }: SyncInProgress, kind: 'full' | 'partial'): void {
    const seconds = (performance.now() - startedAt) / 1000;
    const now = Date.now();
    this.#sync.observe(seconds);
    (kind === 'full' ? this.#full : this.#partial).observe(seconds);
    for (const at of triggers) this.#programming.observe((now - at) / 1000);
    this.#lastSync = now;
  }

  /** Nothing of it is known to be in the kernel: what waited goes on waiting. */
  failed({ triggers }: SyncInProgress): void {
    this.failures++;
    this.#triggers.unshift(...triggers);
  }

  answered(path: 'healthz' | 'livez', code: number): void {
    const id = `kubeproxy_proxy_${path}_total{code="${code}"}`;
    this.#answers.set(id, (this.#answers.get(id) ?? 0) + 1);
  }

  /** In Prometheus' text form. `withoutLocal`: Services whose `Local` policy has no endpoint here. */
  text(withoutLocal: { readonly internal: number; readonly external: number }): string {
    const { service, endpoint } = this.#changes;
    const lines = [
      ...histogram('sync_proxy_rules_duration_seconds', 'SyncProxyRules latency in seconds', this.#sync),
      ...histogram('sync_full_proxy_rules_duration_seconds', 'The same, where everything is written', this.#full),
      ...histogram('sync_partial_proxy_rules_duration_seconds', 'The same, where changes are written', this.#partial),
      ...histogram(
        'network_programming_duration_seconds',
        'From the change of a pod or Service to the rules that follow it, in seconds',
        this.#programming,
      ),
      ...gauge('sync_proxy_rules_last_timestamp_seconds', 'The last successful sync', this.#lastSync / 1000),
      ...gauge('sync_proxy_rules_last_queued_timestamp_seconds', 'The last change', this.#lastQueued / 1000),
      ...gauge('sync_proxy_rules_service_changes_pending', 'Service changes to be written', service.pending),
      ...counter('sync_proxy_rules_service_changes_total', 'Service changes', service.total),
      ...gauge('sync_proxy_rules_endpoint_changes_pending', 'Endpoint changes to be written', endpoint.pending),
      ...counter('sync_proxy_rules_endpoint_changes_total', 'Endpoint changes', endpoint.total),
      ...counter('sync_proxy_rules_sync_failures_total', 'Syncs that failed and were tried again', this.failures),
      ...header(
        'sync_proxy_rules_no_local_endpoints_total',
        'Services without an endpoint for a Local policy',
        'gauge',
      ),
      `kubeproxy_sync_proxy_rules_no_local_endpoints_total{traffic_policy="internal"} ${withoutLocal.internal}`,
      `kubeproxy_sync_proxy_rules_no_local_endpoints_total{traffic_policy="external"} ${withoutLocal.external}`,
      ...header('proxy_healthz_total', 'Answers of /healthz by their code', 'counter'),
      ...[...this.#answers].filter(([id]) => id.includes('_healthz_')).map(([id, count]) => `${id} ${count}`),
      ...header('proxy_livez_total', 'Answers of /livez by their code', 'counter'),
      ...[...this.#answers].filter(([id]) => id.includes('_livez_')).map(([id, count]) => `${id} ${count}`),
      '# TYPE process_resident_memory_bytes gauge',
      `process_resident_memory_bytes ${process.memoryUsage.rss()}`,
      '# TYPE process_start_time_seconds gauge',
      `process_start_time_seconds ${(performance.timeOrigin / 1000).toFixed(3)}`,
    ];
    return `${lines.join('\n')}\n`;
  }
}

export interface SyncInProgress {
  readonly startedAt: number;
  readonly triggers: readonly number[];
}

function header(name: string, help: string, type: MetricType): string[] {
  return family(`kubeproxy_${name}`, type, help, []);
}

function histogram(name: string, help: string, values: Histogram): string[] {
  return [...header(name, help, 'histogram'), ...values.lines(`kubeproxy_${name}`, '')];
}

function gauge(name: string, help: string, value: number): string[] {
  return [...header(name, help, 'gauge'), `kubeproxy_${name} ${value}`];
}

function counter(name: string, help: string, value: number): string[] {
  return [...header(name, help, 'counter'), `kubeproxy_${name} ${value}`];
}
