import { milliValue } from '../../api/quantity.ts';
import { formatLabelSelector } from '../../api/selectors.ts';
import type { LabelSelector } from '../../api/types.ts';
import { messageOf } from '../../base/errors.ts';
import type { Client } from '../../client/client.ts';
import { type DiscoveredResource, discover } from '../discovery.ts';
import { selectorAsGo } from '../labels.ts';
import type { PodUsages } from './replicas.ts';

/** A metric by its name, and by its own labels where several have that name. */
export interface MetricIdentifier {
  readonly name: string;
  readonly selector?: LabelSelector;
}

export interface DescribedObject {
  readonly apiVersion?: string;
  readonly kind: string;
  readonly name: string;
}

/** What other API servers measure, in thousandths. Each throws where nobody serves it. */
export interface MetricValues {
  /** Of each of the selected pods. */
  ofPods(namespace: string, selector: string, metric: MetricIdentifier): Promise<PodUsages>;
  ofObject(namespace: string, object: DescribedObject, metric: MetricIdentifier): Promise<number>;
  /** Of something outside the cluster: the sum over all series. */
  external(namespace: string, metric: MetricIdentifier): Promise<number>;
}

/** `custom.metrics.k8s.io`, MetricValueList: of both versions only what they share is read. */
interface MetricValueList {
  readonly items: readonly { readonly describedObject: { readonly name: string }; readonly value: string }[];
}

interface ExternalMetricValueList {
  readonly items: readonly { readonly value: string }[];
}

/** A metric's selector as Kubernetes' messages have it. */
export const selectorText = ({ selector }: MetricIdentifier): string => selectorAsGo(selector);

const CUSTOM = 'custom.metrics.k8s.io';
const EXTERNAL = '/apis/external.metrics.k8s.io/v1beta1';

/** Asks `custom.metrics.k8s.io` and `external.metrics.k8s.io`, which are served through APIServices. */
export function createMetricValues(client: Client): MetricValues {
  let kinds: readonly DiscoveredResource[] = [];

  const read = async <T>(path: string, query: Readonly<Record<string, string | undefined>>): Promise<T> => {
    const given = Object.entries(query).filter((entry): entry is [string, string] => Boolean(entry[1]));
    const suffix = given.length > 0 ? `?${new URLSearchParams(given)}` : '';
    return JSON.parse(await client.raw('GET', path + suffix)) as T;
  };

  const measured = async <T>(api: 'custom' | 'external', answer: Promise<T>): Promise<T> => {
    try {
      return await answer;
    } catch (error) {
      throw new Error(`unable to fetch metrics from ${api} metrics API: ${messageOf(error)}`, { cause: error });
    }
  };

  const customRoot = async (): Promise<string> => {
    const { groups } = await read<{ groups: { name: string; preferredVersion: { version: string } }[] }>('/apis', {});
    const group = groups.find(({ name }) => name === CUSTOM);
    if (!group) throw new Error('no custom metrics API (custom.metrics.k8s.io) registered');
    return `/apis/${CUSTOM}/${group.preferredVersion.version}`;
  };

  const resourceOf = async ({ apiVersion = 'v1', kind }: DescribedObject): Promise<DiscoveredResource> => {
    const group = apiVersion.includes('/') ? apiVersion.split('/')[0] : '';
    const find = () => kinds.find((each) => each.kind === kind && each.group === group);
    if (!find()) kinds = (await discover(client)).resources;
    const found = find();
    if (!found) throw new Error(`no matches for kind "${kind}" in group "${group}"`);
    return found;
  };

  const metricQuery = ({ selector }: MetricIdentifier): string | undefined => selector && formatLabelSelector(selector);

  return {
    async ofPods(namespace, selector, metric) {
      const path = `${await customRoot()}/namespaces/${namespace}/pods/*/${metric.name}`;
      const query = { labelSelector: selector, metricLabelSelector: metricQuery(metric) };
      const { items } = await measured('custom', read<MetricValueList>(path, query));
      if (items.length === 0) throw new Error('no metrics returned from custom metrics API');
      return new Map(items.map(({ describedObject, value }) => [describedObject.name, milliValue(value)]));
    },
    async ofObject(namespace, object, metric) {
      const { group, plural, namespaced } = await resourceOf(object);
      const name = group ? `${plural}.${group}` : plural;
      // A namespace's own metrics stand beside those of what is in it.
      const within =
        plural === 'namespaces' && group === ''
          ? `namespaces/${object.name}/metrics`
          : `${namespaced ? `namespaces/${namespace}/` : ''}${name}/${object.name}`;
      const path = `${await customRoot()}/${within}/${metric.name}`;
      const query = { metricLabelSelector: metricQuery(metric) };
      const [first] = (await measured('custom', read<MetricValueList>(path, query))).items;
      if (!first) throw new Error('no metrics returned from custom metrics API');
      return milliValue(first.value);
    },
    async external(namespace, metric) {
      const path = `${EXTERNAL}/namespaces/${namespace}/${metric.name}`;
      const query = { labelSelector: metricQuery(metric) };
      const { items } = await measured('external', read<ExternalMetricValueList>(path, query));
      if (items.length === 0) throw new Error('no metrics returned from external metrics API');
      return items.reduce((sum, { value }) => sum + milliValue(value), 0);
    },
  };
}
