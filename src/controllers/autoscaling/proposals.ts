import { formatQuantity, milliValue, parseQuantity } from '../../api/quantity.ts';
import { parseLabelSelector } from '../../api/selectors.ts';
import type { HorizontalPodAutoscaler, Pod } from '../../api/types.ts';
import { messageOf } from '../../base/errors.ts';
import type { Client } from '../../client/client.ts';
import type { Informer } from '../../client/informer.ts';
import { isReady } from '../pods.ts';
import type { Scale } from '../scale.ts';
import type { Status } from './conditions.ts';
import { createMetricValues, type MetricIdentifier, selectorText } from './metric-values.ts';
import { createPodMetrics } from './pod-metrics.ts';
import {
  type Proposal,
  proposeByShare,
  proposeByValue,
  proposeReplicas,
  type ResourceTarget,
  type Tolerance,
} from './replicas.ts';

type Spec = NonNullable<HorizontalPodAutoscaler['spec']>;
export type Metric = NonNullable<Spec['metrics']>[number];
type MetricStatus = NonNullable<Status['currentMetrics']>[number];

/** A number of pods, and why. */
export interface Desired {
  readonly replicas: number;
  readonly reason: string;
  readonly metrics: Status['currentMetrics'];
}

/** What is scaled, as it is. */
export interface ScaleState {
  readonly namespace: string;
  readonly scale: Scale;
  readonly current: number;
  readonly behavior: Spec['behavior'];
}

/** How Kubernetes calls it that a metric could not be had: the event's reason, and what the metric is. */
export function failureOf({ type, resource, containerResource, external }: Metric) {
  const what: Readonly<Record<string, string>> = {
    Resource: `${resource?.name} resource metric`,
    ContainerResource: `${containerResource?.name} container metric`,
    Pods: 'pods metric',
    Object: 'object metric',
    External: `${external?.metric.name} external metric`,
  };
  return { reason: `FailedGet${type}Metric`, what: what[type] ?? type };
}

/** Asks for one metric, and says how many pods it wants. Throws where the metric is not to be had. */
export function createProposals(
  client: Client,
  allPods: Informer<Pod>,
): (metric: Metric, state: ScaleState) => Promise<Desired> {
  const podMetrics = createPodMetrics(client);
  const values = createMetricValues(client);

  const podsOf = ({ namespace, scale }: ScaleState): { selector: string; selected: Pod[] } => {
    const selector = scale.status?.selector ?? '';
    if (selector === '') throw new Error('selector is required');
    const { matches } = parseLabelSelector(selector);
    return { selector, selected: allPods.list(namespace).filter(({ metadata }) => matches(metadata?.labels ?? {})) };
  };

  const byResource = async (metric: Metric, state: ScaleState): Promise<Desired> => {
    const target = targetOf(metric);
    const { resource, container, utilization } = target;
    const { selector, selected } = podsOf(state);
    const usages = await podMetrics(state.namespace, selector, resource, container);
    const proposal = proposeReplicas(target, selected, usages, state.current, Date.now(), toleranceOf(state));
    const share = utilization === undefined ? '' : ' utilization (percentage of request)';
    const reason = `${resource} ${container ? 'container ' : ''}resource${share}`;
    return { replicas: proposal.replicas, reason, metrics: [resourceStatus(metric, target, proposal)] };
  };

  const byPods = async ({ type, pods }: Metric, state: ScaleState): Promise<Desired> => {
    if (!pods) throw new Error('the metric names no pods metric');
    const { metric, target } = pods;
    const { selector, selected } = podsOf(state);
    const usages = await explained(
      values.ofPods(state.namespace, selector, metric),
      `unable to get metric ${metric.name}`,
    );
    const wanted = { resource: '', averageValue: milliValue(target.averageValue ?? '0') };
    const { replicas, average } = proposeReplicas(
      wanted,
      selected,
      usages,
      state.current,
      Date.now(),
      toleranceOf(state),
    );
    const status = { type, pods: { metric, current: { averageValue: milliQuantity(average) } } };
    return { replicas, reason: `pods metric ${metric.name}`, metrics: [status] };
  };

  const byObject = async ({ type, object }: Metric, state: ScaleState): Promise<Desired> => {
    if (!object) throw new Error('the metric names no object');
    const { describedObject, metric, target } = object;
    const value = await values.ofObject(state.namespace, describedObject, metric).catch((error: unknown) => {
      // In this order kube-controller-manager prints it.
      const where = `${describedObject.kind} on ${state.namespace} ${describedObject.name}`;
      throw new Error(`unable to get metric ${metric.name}: ${where}/${messageOf(error)}`, { cause: error });
    });
    const { replicas, current } = byNumber(value, target, state);
    const isWhole = target.value !== undefined;
    const reason = isWhole ? `${describedObject.kind} metric ${metric.name}` : externalReason(metric);
    return { replicas, reason, metrics: [{ type, object: { describedObject, metric, current } }] };
  };

  const byExternal = async ({ type, external }: Metric, state: ScaleState): Promise<Desired> => {
    if (!external) throw new Error('the metric names no external metric');
    const { metric, target } = external;
    const what = `unable to get external metric ${state.namespace}/${metric.name}/${selectorText(metric)}`;
    const value = await explained(values.external(state.namespace, metric), what);
    const { replicas, current } = byNumber(value, target, state);
    return { replicas, reason: externalReason(metric), metrics: [{ type, external: { metric, current } }] };
  };

  /** A number that belongs to no pod: as it is, or shared among all pods. */
  const byNumber = (value: number, target: { value?: string; averageValue?: string }, state: ScaleState) => {
    const tolerance = toleranceOf(state);
    if (target.value !== undefined) {
      const ready = (): number => podsOf(state).selected.filter(isRunning).length;
      const replicas = proposeByValue(value / milliValue(target.value), state.current, ready, tolerance);
      return { replicas, current: { value: milliQuantity(value) } };
    }
    const present = state.scale.status?.replicas ?? 0;
    const { replicas, average } = proposeByShare(value, milliValue(target.averageValue ?? '0'), present, tolerance);
    return { replicas, current: { averageValue: milliQuantity(average) } };
  };

  return async (metric, state) => {
    switch (metric.type) {
      case 'Pods':
        return byPods(metric, state);
      case 'Object':
        return byObject(metric, state);
      case 'External':
        return byExternal(metric, state);
      default: {
        const { resource, containerResource } = metric;
        const { name = '', target } = resource ?? containerResource ?? {};
        const kind = target?.averageUtilization === undefined ? 'usage' : 'utilization';
        return explained(byResource(metric, state), `failed to get ${name} ${kind}`);
      }
    }
  };
}

async function explained<T>(value: Promise<T>, what: string): Promise<T> {
  try {
    return await value;
  } catch (error) {
    throw new Error(`${what}: ${messageOf(error)}`, { cause: error });
  }
}

const externalReason = (metric: MetricIdentifier): string => `external metric ${metric.name}(${selectorText(metric)})`;

const milliQuantity = (value: number): string => formatQuantity(parseQuantity(`${Math.round(value)}m`));

const isRunning = (pod: Pod): boolean => pod.status?.phase === 'Running' && isReady(pod);

/** Of each direction (KEP-4951); a tenth where the autoscaler says nothing. */
function toleranceOf({ behavior }: ScaleState): Tolerance {
  const of = (text: string | undefined): number | undefined =>
    text === undefined ? undefined : milliValue(text) / 1000;
  return { up: of(behavior?.scaleUp?.tolerance), down: of(behavior?.scaleDown?.tolerance) };
}

function targetOf({ type, resource, containerResource }: Metric): ResourceTarget {
  const source = resource ?? containerResource;
  if (!source) throw new Error(`unknown metric source type "${type}"`);
  const { averageUtilization, averageValue } = source.target;
  return {
    resource: source.name,
    container: containerResource?.container,
    utilization: averageUtilization,
    averageValue: averageValue === undefined ? undefined : milliValue(averageValue),
  };
}

function resourceStatus(
  { type }: Metric,
  { resource, container }: ResourceTarget,
  { utilization, average }: Proposal,
): MetricStatus {
  const isCpu = resource === 'cpu';
  const averageValue = formatQuantity(
    isCpu ? parseQuantity(`${average}m`) : { nanos: BigInt(Math.round(average)) * 1_000_000n, format: 'BinarySI' },
  );
  const current = { averageUtilization: utilization, averageValue };
  if (container) return { type, containerResource: { name: resource, container, current } };
  return { type, resource: { name: resource, current } };
}
