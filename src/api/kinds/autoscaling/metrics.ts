import type { HorizontalPodAutoscaler } from '../../types.ts';

type Metric = NonNullable<NonNullable<HorizontalPodAutoscaler['spec']>['metrics']>[number];
type Current = NonNullable<NonNullable<HorizontalPodAutoscaler['status']>['currentMetrics']>[number];
type Target = NonNullable<Metric['resource']>['target'];
type Value = NonNullable<Current['resource']>['current'];

const shown = 2;

/** `cpu: 10%/80%, 5/10 + 1 more...`: what is measured, and what it should be. */
export function formatMetrics({ spec, status }: HorizontalPodAutoscaler): string {
  const metrics = spec?.metrics ?? [];
  if (metrics.length === 0) return '<none>';
  const parts = metrics.map((metric, i) => formatMetric(metric, status?.currentMetrics?.[i]));
  const more = parts.length - shown;
  return `${parts.slice(0, shown).join(', ')}${more > 0 ? ` + ${more} more...` : ''}`;
}

function formatMetric(metric: Metric, current: Current | undefined): string {
  switch (metric.type) {
    case 'Resource':
      return `${metric.resource?.name}: ${formatValue(metric.resource?.target, current?.resource?.current)}`;
    case 'ContainerResource':
      return `${metric.containerResource?.name}: ${formatValue(metric.containerResource?.target, current?.containerResource?.current)}`;
    case 'Pods':
      return formatValue(metric.pods?.target, current?.pods?.current);
    case 'Object':
      return formatValue(metric.object?.target, current?.object?.current);
    case 'External':
      return formatValue(metric.external?.target, current?.external?.current);
    default:
      return '<unknown type>';
  }
}

function formatValue(target: Target | undefined, current: Value | undefined): string {
  if (target?.averageUtilization !== undefined) {
    const now = current?.averageUtilization;
    return `${now === undefined ? '<unknown>' : `${now}%`}/${target.averageUtilization}%`;
  }
  if (target?.averageValue !== undefined) return `${current?.averageValue ?? '<unknown>'}/${target.averageValue} (avg)`;
  return `${current?.value ?? '<unknown>'}/${target?.value ?? '<auto>'}`;
}
