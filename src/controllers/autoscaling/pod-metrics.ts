import { milliValue } from '../../api/quantity.ts';
import type { Client } from '../../client/client.ts';
import type { PodUsages } from './replicas.ts';

interface PodMetricsList {
  readonly items: readonly {
    readonly metadata: { readonly name: string };
    readonly containers: readonly { readonly name: string; readonly usage: Readonly<Record<string, string>> }[];
  }[];
}

/** Asks `metrics.k8s.io` what pods use of a resource. */
export function createPodMetrics(
  client: Client,
): (namespace: string, selector: string, resource: string, container?: string) => Promise<PodUsages> {
  return async (namespace, selector, resource, container) => {
    const path = `/apis/metrics.k8s.io/v1beta1/namespaces/${namespace}/pods`;
    const query = new URLSearchParams({ labelSelector: selector });
    const { items }: PodMetricsList = JSON.parse(await client.raw('GET', `${path}?${query}`));
    const usages = new Map<string, number>();
    for (const { metadata, containers } of items) {
      const counted = containers.filter(({ name }) => container === undefined || name === container);
      if (counted.length === 0 || counted.some(({ usage }) => usage[resource] === undefined)) continue;
      usages.set(
        metadata.name,
        counted.reduce((sum, { usage }) => sum + milliValue(usage[resource] ?? '0'), 0),
      );
    }
    return usages;
  };
}
