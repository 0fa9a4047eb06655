import type { FieldError } from '../../kind.ts';
import type { HorizontalPodAutoscaler } from '../../types.ts';
import { ageColumn, integer, nameColumn, text } from '../columns.ts';
import { defineKind } from '../define.ts';
import { invalid, oneOf, required } from '../errors.ts';
import { pathSegment } from '../names.ts';
import { formatMetrics } from './metrics.ts';

type Spec = NonNullable<HorizontalPodAutoscaler['spec']>;
type Behavior = NonNullable<Spec['behavior']>;
type Rules = NonNullable<Behavior['scaleUp']>;

const metricTypes = ['ContainerResource', 'External', 'Object', 'Pods', 'Resource'];

export const horizontalPodAutoscaler = defineKind<HorizontalPodAutoscaler>({
  group: 'autoscaling',
  version: 'v2',
  kind: 'HorizontalPodAutoscaler',
  plural: 'horizontalpodautoscalers',
  namespaced: true,
  shortNames: ['hpa'],
  categories: ['all'],
  hasStatus: true,
  setDefaults({ spec }) {
    if (!spec) return;
    spec.minReplicas ??= 1;
    if (!spec.metrics?.length) {
      const target = { type: 'Utilization', averageUtilization: 80 };
      spec.metrics = [{ type: 'Resource', resource: { name: 'cpu', target } }];
    }
    setBehaviorDefaults(spec.behavior);
  },
  validate({ spec }): FieldError[] {
    return [
      ...validateReplicas(spec),
      ...validateTarget(spec?.scaleTargetRef),
      ...(spec?.metrics ?? []).flatMap((metric, i) => validateMetric(metric, `spec.metrics[${i}]`)),
    ];
  },
  columns: [
    nameColumn,
    text(
      'Reference',
      ({ spec }) => `${spec?.scaleTargetRef?.kind ?? ''}/${spec?.scaleTargetRef?.name ?? ''}`,
      'What it scales.',
    ),
    text('Targets', formatMetrics, 'What is measured, and what it should be.'),
    text('MinPods', ({ spec }) => String(spec?.minReplicas ?? '<unset>'), 'Fewest pods.'),
    integer('MaxPods', ({ spec }) => spec?.maxReplicas ?? 0, 'Most pods.'),
    integer('Replicas', ({ status }) => status?.currentReplicas ?? 0, 'Pods now.'),
    ageColumn,
  ],
});

/** Rules of either direction that were begun are completed; none are begun. */
function setBehaviorDefaults(behavior: Behavior | undefined): void {
  if (!behavior) return;
  behavior.scaleUp = completeRules(behavior.scaleUp, 0, [
    { type: 'Pods', value: 4, periodSeconds: 15 },
    { type: 'Percent', value: 100, periodSeconds: 15 },
  ]);
  behavior.scaleDown = completeRules(behavior.scaleDown, undefined, [
    { type: 'Percent', value: 100, periodSeconds: 15 },
  ]);
}

function completeRules(rules: Rules | undefined, window: number | undefined, policies: Rules['policies']): Rules {
  return {
    ...rules,
    stabilizationWindowSeconds: rules?.stabilizationWindowSeconds ?? window,
    selectPolicy: rules?.selectPolicy ?? 'Max',
    policies: rules?.policies ?? policies,
  };
}

function validateReplicas(spec: Spec | undefined): FieldError[] {
  const [least, most] = [spec?.minReplicas ?? 1, spec?.maxReplicas ?? 0];
  return [
    ...(least < 1 ? [invalid('spec.minReplicas', least, 'must be greater than or equal to 1')] : []),
    ...(most < 1 ? [invalid('spec.maxReplicas', most, 'must be greater than 0')] : []),
    ...(most < least ? [invalid('spec.maxReplicas', most, 'must be greater than or equal to `minReplicas`')] : []),
  ];
}

function validateTarget(target: Spec['scaleTargetRef'] | undefined): FieldError[] {
  return (['kind', 'name'] as const).flatMap((key) => {
    const at = `spec.scaleTargetRef.${key}`;
    const value = target?.[key];
    if (!value) return [required(at)];
    const wrong = pathSegment(value);
    return wrong ? [invalid(at, value, wrong)] : [];
  });
}

type Metric = NonNullable<Spec['metrics']>[number];

const sources: Readonly<Record<string, keyof Metric>> = {
  ContainerResource: 'containerResource',
  External: 'external',
  Object: 'object',
  Pods: 'pods',
  Resource: 'resource',
};

function validateMetric(metric: Metric, field: string): FieldError[] {
  if (!metric.type) return [required(`${field}.type`, 'must specify a metric source type')];
  const unknown = oneOf(`${field}.type`, metric.type, metricTypes);
  const source = sources[metric.type];
  if (unknown.length > 0 || source === undefined || metric[source]) return unknown;
  return [required(`${field}.${source}`, 'must populate information for the given metric source')];
}
