import { isDeepStrictEqual } from 'node:util';
import type { Pod } from '../api/types.ts';

/**
 * Whether nothing has changed that concerns the pod's containers. Most changes are of the status, and by this kubelet;
 * of others' only readiness gates matter, and that somebody has declared the pod ended.
 */
export function asksTheSame(before: Pod, pod: Pod): boolean {
  if ((pod.spec?.readinessGates ?? []).length > 0) return false;
  return isDeepStrictEqual(essence(before), essence(pod));
}

function essence({ metadata, spec, status }: Pod): unknown {
  return {
    uid: metadata?.uid,
    generation: metadata?.generation,
    deletionTimestamp: metadata?.deletionTimestamp,
    deletionGracePeriodSeconds: metadata?.deletionGracePeriodSeconds,
    labels: metadata?.labels,
    annotations: metadata?.annotations,
    ended: hasEnded(status?.phase),
    spec,
  };
}

/** Whether the downward API has the same to tell of a pod. */
export function tellsTheSame({ metadata: before }: Pod, { metadata: now }: Pod): boolean {
  return isDeepStrictEqual([before?.labels, before?.annotations], [now?.labels, now?.annotations]);
}

/** A phase that a pod never leaves again. */
export const hasEnded = (phase: string | undefined): boolean => phase === 'Succeeded' || phase === 'Failed';

/** ms until a pod's `activeDeadlineSeconds` are over; `undefined` where it has none. */
export function untilDeadline(pod: Pod, now: number): number | undefined {
  const seconds = pod.spec?.activeDeadlineSeconds;
  const start = pod.status?.startTime;
  return seconds === undefined || !start ? undefined : Date.parse(start) + seconds * 1000 - now;
}
