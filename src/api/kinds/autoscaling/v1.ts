import type { HorizontalPodAutoscaler, HorizontalPodAutoscalerV1, KubeObject } from '../../types.ts';
import { ageColumn, nameColumn, text } from '../columns.ts';
import { defineKind } from '../define.ts';
import { invalid, required } from '../errors.ts';
import { horizontalPodAutoscaler as v2 } from './horizontal-pod-autoscaler.ts';

type Spec = NonNullable<HorizontalPodAutoscaler['spec']>;
type Metric = NonNullable<Spec['metrics']>[number];
/** What v1 has no field for. */
type Hidden = Pick<Spec, 'metrics' | 'behavior'>;

/** Where v1 keeps what it has no field for, as JSON, so that nothing is lost on the way through it. */
const hiddenParts = 'autoscaling.alpha.kubernetes.io/v2-spec';

/** The older spelling of an autoscaler, which knows only the cpu's utilization. Kept as v2. */
export const horizontalPodAutoscalerV1 = defineKind<HorizontalPodAutoscalerV1>({
  group: v2.group,
  version: 'v1',
  kind: v2.kind,
  plural: v2.plural,
  namespaced: true,
  shortNames: v2.shortNames,
  categories: v2.categories,
  hasStatus: true,
  setDefaults({ spec }) {
    if (spec) spec.minReplicas ??= 1;
  },
  validate({ metadata, spec }) {
    const hidden = metadata?.annotations?.[hiddenParts];
    const [least, most] = [spec?.minReplicas ?? 1, spec?.maxReplicas ?? 0];
    return [
      ...(parseHidden(hidden)
        ? []
        : [invalid(`metadata.annotations[${hiddenParts}]`, hidden, 'must be a v2 specification')]),
      ...(spec?.scaleTargetRef?.name ? [] : [required('spec.scaleTargetRef.name')]),
      ...(most < 1 ? [invalid('spec.maxReplicas', most, 'must be greater than 0')] : []),
      ...(most < least ? [invalid('spec.maxReplicas', most, 'must be greater than or equal to `minReplicas`')] : []),
    ];
  },
  columns: [
    nameColumn,
    text(
      'Reference',
      ({ spec }) => `${spec?.scaleTargetRef?.kind ?? ''}/${spec?.scaleTargetRef?.name ?? ''}`,
      'What it scales.',
    ),
    text('Targets', formatTarget, 'What is measured, and what it should be.'),
    text('MinPods', ({ spec }) => String(spec?.minReplicas ?? '<unset>'), 'Fewest pods.'),
    text('MaxPods', ({ spec }) => spec?.maxReplicas ?? 0, 'Most pods.'),
    text('Replicas', ({ status }) => status?.currentReplicas ?? 0, 'Pods now.'),
    ageColumn,
  ],
  storedAs: { resource: v2, toStored, fromStored: (object) => fromStored(object as HorizontalPodAutoscaler) },
});

function formatTarget({ spec, status }: HorizontalPodAutoscalerV1): string {
  const target = spec?.targetCPUUtilizationPercentage;
  const now = status?.currentCPUUtilizationPercentage;
  if (target === undefined) return '<none>';
  return `cpu: ${now === undefined ? '<unknown>' : `${now}%`}/${target}%`;
}

/** `undefined` where the text is not what {@link fromStored} writes. */
function parseHidden(text: string | undefined): Hidden | undefined {
  if (text === undefined) return {};
  try {
    const { metrics = [], behavior }: Hidden = Object(JSON.parse(text));
    const isObject = (value: unknown) => typeof value === 'object' && value !== null && !Array.isArray(value);
    const fits = Array.isArray(metrics) && metrics.every(isObject) && (behavior === undefined || isObject(behavior));
    return fits ? { metrics, behavior } : undefined;
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}

function toStored({ metadata, spec, status }: HorizontalPodAutoscalerV1): KubeObject {
  const { [hiddenParts]: text, ...annotations } = metadata?.annotations ?? {};
  const hidden = parseHidden(text) ?? {};
  const { targetCPUUtilizationPercentage: target, ...same } = spec ?? { maxReplicas: 0, scaleTargetRef: {} };
  const { currentCPUUtilizationPercentage: _, ...state } = status ?? { currentReplicas: 0, desiredReplicas: 0 };
  const others = (hidden.metrics ?? []).filter((metric) => !isCpu(metric));
  const metrics = target === undefined ? others : [cpuMetric(target), ...others];
  const object: HorizontalPodAutoscaler = {
    apiVersion: 'autoscaling/v2',
    kind: v2.kind,
    metadata: text === undefined ? metadata : { ...metadata, annotations },
    spec: { ...same, metrics, behavior: hidden.behavior } as Spec,
    status: status && (state as HorizontalPodAutoscaler['status']),
  };
  v2.setDefaults?.(object);
  return object;
}

function fromStored({ metadata, spec, status }: HorizontalPodAutoscaler): HorizontalPodAutoscalerV1 {
  const { metrics = [], behavior, ...same } = spec ?? { maxReplicas: 0, scaleTargetRef: { kind: '', name: '' } };
  const hidden: Hidden = { metrics: metrics.filter((metric) => !isCpu(metric)), behavior };
  const isHidden = hidden.behavior !== undefined || hidden.metrics?.length;
  const annotations = { ...metadata?.annotations, [hiddenParts]: JSON.stringify(hidden) };
  const { conditions: _, currentMetrics = [], ...state } = status ?? { currentReplicas: 0, desiredReplicas: 0 };
  const current = currentMetrics.find((metric) => metric.resource?.name === 'cpu')?.resource?.current;
  return {
    apiVersion: 'autoscaling/v1',
    kind: v2.kind,
    metadata: isHidden ? { ...metadata, annotations } : metadata,
    spec: {
      ...same,
      targetCPUUtilizationPercentage: metrics.find(isCpu)?.resource?.target.averageUtilization,
    } as HorizontalPodAutoscalerV1['spec'],
    status: status && {
      ...(state as NonNullable<HorizontalPodAutoscalerV1['status']>),
      currentCPUUtilizationPercentage: current?.averageUtilization,
    },
  };
}

function isCpu(metric: Metric): boolean {
  return metric.resource?.name === 'cpu' && metric.resource.target.averageUtilization !== undefined;
}

function cpuMetric(averageUtilization: number): Metric {
  return { type: 'Resource', resource: { name: 'cpu', target: { type: 'Utilization', averageUtilization } } };
}
