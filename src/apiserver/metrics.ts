import { type Answer, textAnswer } from './answer.ts';
import { REGISTRY } from './cache/watch-cache.ts';
import type { Context } from './context.ts';

/** Counts of answered requests, by verb, resource and code. */
export class RequestMetrics {
  /** By verb, resource and code. */
  readonly #counts = new Map<string, Map<string, Map<number, number>>>();

  count(verb: string, resource: string, code: number): void {
    const codes = entryOf(entryOf(this.#counts, verb), resource);
    codes.set(code, (codes.get(code) ?? 0) + 1);
  }

  lines(): string[] {
    return [...this.#counts].flatMap(([verb, resources]) =>
      [...resources].flatMap(([resource, codes]) =>
        [...codes].map(([code, count]) => {
          const labels = `verb="${verb.toUpperCase()}",resource="${resource}",code="${code}"`;
          return `apiserver_request_total{${labels}} ${count}`;
        }),
      ),
    );
  }
}

function entryOf<K, V>(maps: Map<string, Map<K, V>>, key: string): Map<K, V> {
  let found = maps.get(key);
  if (!found) {
    found = new Map();
    maps.set(key, found);
  }
  return found;
}

/** `/metrics`, in Prometheus' text form with Kubernetes' own names. */
export function answerMetrics(context: Context): Answer {
  const objects = [...context.cache.resources].map(
    ([prefix, cache]) => `apiserver_storage_objects{resource="${resourceName(prefix)}"} ${cache.size}`,
  );
  const lines = [
    '# HELP apiserver_request_total Counter of apiserver requests broken out for each verb, resource and code.',
    '# TYPE apiserver_request_total counter',
    ...context.metrics.lines(),
    '# HELP apiserver_storage_objects Number of stored objects.',
    '# TYPE apiserver_storage_objects gauge',
    ...objects,
    '# HELP process_resident_memory_bytes Resident memory size in bytes.',
    '# TYPE process_resident_memory_bytes gauge',
    `process_resident_memory_bytes ${process.memoryUsage.rss()}`,
    '# HELP process_start_time_seconds Start time of the process since unix epoch in seconds.',
    '# TYPE process_start_time_seconds gauge',
    `process_start_time_seconds ${(performance.timeOrigin / 1000).toFixed(3)}`,
    ...context.moreMetrics(),
  ];
  return prometheusAnswer(lines);
}

export const prometheusAnswer = (lines: readonly string[]): Answer =>
  textAnswer(`${lines.join('\n')}\n`, 200, { 'content-type': 'text/plain; version=0.0.4; charset=utf-8' });

function resourceName(prefix: string): string {
  const [group, plural] = prefix.slice(REGISTRY.length).split('/');
  return group === 'core' ? (plural ?? '') : `${plural}.${group}`;
}
