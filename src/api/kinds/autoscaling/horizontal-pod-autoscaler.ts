import type { FieldError } from '../../kind.ts';
import type { HorizontalPodAutoscaler } from '../../types.ts';
import { ageColumn, nameColumn, text } from '../columns.ts';
import { defineKind } from '../define.ts';
import { each, invalid, oneOf, required } from '../errors.ts';
import { validateAmount } from '../podspec/resources.ts';
import { validateNotNegative } from '../workload.ts';
import { validateMetric, validateReference } from './metric-sources.ts';
import { formatMetrics } from './metrics.ts';

type Spec = NonNullable<HorizontalPodAutoscaler['spec']>;
type Behavior = NonNullable<Spec['behavior']>;
type Rules = NonNullable<Behavior['scaleUp']>;
type Policy = NonNullable<Rules['policies']>[number];

const maxPeriodSeconds = 1800;
const maxWindowSeconds = 3600;

export const horizontalPodAutoscaler = defineKind<HorizontalPodAutoscaler>({
  group: 'autoscaling',
  version: 'v2',
  kind: 'HorizontalPodAutoscaler',
  plural: 'horizontalpodautoscalers',
  namespaced: true,
  shortNames: ['hpa'],
  categories: ['all'],
  hasStatus: true,
  initialStatus: { desiredReplicas: 0 },
  setDefaults({ spec }) {
    if (!spec) return;
    spec.minReplicas ??= 1;
    if (!spec.metrics?.length) {
      const target = { type: 'Utilization', averageUtilization: 80 };
      spec.metrics = [{ type: 'Resource', resource: { name: 'cpu', target } }];
    }
    setBehaviorDefaults(spec.behavior);
  },
  validate({ spec, status }, old, subresource): FieldError[] {
    if (subresource === 'status') return validateNotNegative(status, ['currentReplicas', 'desiredReplicas'], 'status');
    return [
      ...validateReplicas(spec),
      ...validateReference(spec?.scaleTargetRef, 'spec.scaleTargetRef', {
        groupRequired: !old || hasGroup(old),
      }),
      ...each(spec?.metrics, 'spec.metrics', validateMetric),
      ...validateRules(spec?.behavior?.scaleUp, 'spec.behavior.scaleUp'),
      ...validateRules(spec?.behavior?.scaleDown, 'spec.behavior.scaleDown'),
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
    text('MaxPods', ({ spec }) => spec?.maxReplicas ?? 0, 'Most pods.'),
    text('Replicas', ({ status }) => status?.currentReplicas ?? 0, 'Pods now.'),
    ageColumn,
  ],
});

/** What names no group is older than the rule that it should. */
const hasGroup = ({ spec }: HorizontalPodAutoscaler): boolean =>
  spec?.scaleTargetRef?.apiVersion?.includes('/') === true;

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
  const [least, most] = [spec?.minReplicas, spec?.maxReplicas ?? 0];
  return [
    ...(least !== undefined && least < 1
      ? [invalid('spec.minReplicas', least, 'must be greater than or equal to 1')]
      : []),
    ...(most === 0 ? [required('spec.maxReplicas', 'must be set and greater than 0')] : []),
    ...(most < 0 ? [invalid('spec.maxReplicas', most, 'must be greater than or equal to 1')] : []),
    ...(least !== undefined && most < least
      ? [invalid('spec.maxReplicas', most, 'must be greater than or equal to `minReplicas`')]
      : []),
  ];
}

function validateRules(rules: Rules | undefined, field: string): FieldError[] {
  if (!rules) return [];
  const { stabilizationWindowSeconds: window, selectPolicy, policies, tolerance } = rules;
  return [
    ...validateSeconds(
      window,
      'greater than or equal to zero',
      0,
      maxWindowSeconds,
      `${field}.stabilizationWindowSeconds`,
    ),
    ...(selectPolicy === undefined ? [] : oneOf(`${field}.selectPolicy`, selectPolicy, ['Disabled', 'Max', 'Min'])),
    ...(policies?.length ? [] : [required(`${field}.policies`, 'must specify at least one Policy')]),
    ...each(policies, `${field}.policies`, validatePolicy),
    ...(tolerance === undefined ? [] : validateAmount(tolerance, `${field}.tolerance`)),
  ];
}

function validatePolicy({ type, value = 0, periodSeconds = 0 }: Policy, field: string): FieldError[] {
  return [
    ...oneOf(`${field}.type`, type, ['Percent', 'Pods']),
    ...(value > 0 ? [] : [invalid(`${field}.value`, value, 'must be greater than zero')]),
    ...validateSeconds(periodSeconds, 'greater than zero', 1, maxPeriodSeconds, `${field}.periodSeconds`),
  ];
}

function validateSeconds(
  value: number | undefined,
  atLeast: string,
  min: number,
  max: number,
  field: string,
): FieldError[] {
  if (value === undefined || (value >= min && value <= max)) return [];
  return [invalid(field, value, `must be ${value < min ? atLeast : `less than or equal to ${max}`}`)];
}
