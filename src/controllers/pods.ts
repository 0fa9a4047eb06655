import type { Pod } from '../api/types.ts';

type Condition = NonNullable<NonNullable<Pod['status']>['conditions']>[number];

export function podCondition(pod: Pod, type: string): Condition | undefined {
  return pod.status?.conditions?.find((condition) => condition.type === type);
}

export const isReady = (pod: Pod): boolean => podCondition(pod, 'Ready')?.status === 'True';

export const isTerminating = (pod: Pod): boolean => pod.metadata?.deletionTimestamp !== undefined;

export const hasEnded = (pod: Pod): boolean => pod.status?.phase === 'Succeeded' || pod.status?.phase === 'Failed';

/** Runs or will run. */
export const isActive = (pod: Pod): boolean => !hasEnded(pod) && !isTerminating(pod);

/** Time in ms until a ready pod counts as available, 0 when it does; undefined for one that is not ready. */
export function untilAvailable(pod: Pod, minReadySeconds: number, now: number): number | undefined {
  const ready = podCondition(pod, 'Ready');
  if (ready?.status !== 'True') return undefined;
  if (minReadySeconds === 0) return 0;
  if (!ready.lastTransitionTime) return undefined;
  return Math.max(0, Date.parse(ready.lastTransitionTime) + minReadySeconds * 1000 - now);
}

/** Time in ms until the next of these pods, of those that are ready, becomes available: no event tells of it. */
export function untilNextAvailable(pods: readonly Pod[], minReadySeconds = 0, now = Date.now()): number | undefined {
  const waits = pods.map((pod) => untilAvailable(pod, minReadySeconds, now) ?? 0).filter((ms) => ms > 0);
  return waits.length > 0 ? Math.min(...waits) + 1 : undefined;
}
