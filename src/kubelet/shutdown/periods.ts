import { SYSTEM_CRITICAL } from '../../api/system-priorities.ts';
import type { Pod } from '../../api/types.ts';
import { durationOf, type ResolvedSettings } from '../settings.ts';

/** Time that pods of this priority, and of those above it up to the next one that is named, have to end. */
export interface ShutdownPeriod {
  readonly priority: number;
  readonly shutdownGracePeriodSeconds: number;
}

export interface ShutdownGroup extends ShutdownPeriod {
  readonly pods: readonly Pod[];
}

type PeriodSettings = Pick<
  ResolvedSettings,
  'shutdownGracePeriod' | 'shutdownGracePeriodCriticalPods' | 'shutdownGracePeriodByPodPriority'
>;

/** In the order in which pods end: the lowest priority first. None where a node goes without a warning. */
export function shutdownPeriods(settings: PeriodSettings): ShutdownPeriod[] {
  const chosen = settings.shutdownGracePeriodByPodPriority;
  if (chosen.length > 0) return chosen.toSorted((a, b) => a.priority - b.priority);
  const whole = durationOf(settings.shutdownGracePeriod);
  const critical = durationOf(settings.shutdownGracePeriodCriticalPods);
  if (whole === 0 || critical > whole) return [];
  return [
    { priority: 0, shutdownGracePeriodSeconds: Math.floor((whole - critical) / 1000) },
    { priority: SYSTEM_CRITICAL, shutdownGracePeriodSeconds: Math.floor(critical / 1000) },
  ];
}

/** Each pod in the group with the highest priority that is not above its own; below all of them, in the first. */
export function groupPods(periods: readonly ShutdownPeriod[], pods: readonly Pod[]): ShutdownGroup[] {
  const indexOf = ({ spec }: Pod) =>
    Math.max(
      0,
      periods.findLastIndex(({ priority }) => priority <= (spec?.priority ?? 0)),
    );
  const byIndex = Map.groupBy(pods, indexOf);
  return periods.map((period, index) => ({ ...period, pods: byIndex.get(index) ?? [] }));
}

/** What the whole shutdown takes at most, in ms. */
export const longestShutdown = (periods: readonly ShutdownPeriod[]): number =>
  periods.reduce((sum, { shutdownGracePeriodSeconds }) => sum + shutdownGracePeriodSeconds * 1000, 0);
