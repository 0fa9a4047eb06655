import type { Job, Pod } from '../../api/types.ts';
import { isTerminating } from '../pods.ts';
import { failsIndex, failuresBefore, verdictOn } from './failure-policy.ts';
import { formatIndexes, indexOf, isIndexed, parseIndexes } from './indexes.ts';

export const FINALIZER = 'batch.kubernetes.io/job-tracking';

export type Status = NonNullable<Job['status']>;

export const isTracked = (pod: Pod): boolean => pod.metadata?.finalizers?.includes(FINALIZER) === true;

const hasSucceeded = (pod: Pod): boolean => pod.status?.phase === 'Succeeded';

/** Whether a pod is replaced only when it has failed, and not when it is about to. */
export const waitsForEnd = (job: Job): boolean => job.spec?.podReplacementPolicy === 'Failed';

/** Ended badly, or is being ended by somebody before it was done. */
export const hasFailed = (job: Job, pod: Pod): boolean =>
  pod.status?.phase === 'Failed' || (isTerminating(pod) && !hasSucceeded(pod) && !waitsForEnd(job));

export interface Tracked {
  readonly status: Status;
  /** Pods whose finalizer may go once the status is written. */
  readonly release: Pod[];
}

/**
 * Counts each pod once, whatever is lost on the way (KEP-2307): a pod that ended is first named in
 * `uncountedTerminatedPods`, then loses its finalizer, and only then is a number, as it may be gone by then. What an
 * Indexed job has done is a set of indexes instead, which needs no such care.
 */
export function track(job: Job, status: Status, pods: readonly Pod[]): Tracked {
  const tracked = new Map(pods.filter(isTracked).map((pod) => [pod.metadata?.uid ?? '', pod]));
  const fold = (before: readonly string[], test: (pod: Pod) => boolean) => {
    const pending = before.filter((uid) => tracked.has(uid));
    const fresh = [...tracked].filter(([uid, pod]) => test(pod) && !before.includes(uid)).map(([uid]) => uid);
    return { counted: before.length - pending.length, uids: [...pending, ...fresh] };
  };
  const { succeeded: succeededBefore = [], failed: failedBefore = [] } = status.uncountedTerminatedPods ?? {};
  const held = heldPods(job, status, pods);
  const isFailed = (pod: Pod) => hasFailed(job, pod) && !held.has(pod);
  const isIgnored = (pod: Pod) => isFailed(pod) && verdictOn(job, pod).action === 'Ignore';
  const ignored = [...tracked.values()].filter(isIgnored);
  const failed = fold(failedBefore, (pod) => isFailed(pod) && !isIgnored(pod));
  const succeeded = fold(succeededBefore, (pod) => hasSucceeded(pod) && !isIndexed(job));
  const done = isIndexed(job) ? [...tracked.values()].filter(hasSucceeded) : [];
  return {
    status: {
      ...status,
      succeeded: (status.succeeded ?? 0) + succeeded.counted || undefined,
      failed: (status.failed ?? 0) + failed.counted || undefined,
      ...indexStatus(job, status, pods),
      uncountedTerminatedPods: {
        ...(succeeded.uids.length > 0 ? { succeeded: succeeded.uids } : {}),
        ...(failed.uids.length > 0 ? { failed: failed.uids } : {}),
      },
    },
    release: [...[...succeeded.uids, ...failed.uids].flatMap((uid) => tracked.get(uid) ?? []), ...ignored, ...done],
  };
}

/** Indexes that are done and that have failed for good. */
function indexStatus(job: Job, status: Status, pods: readonly Pod[]): Partial<Status> {
  if (!isIndexed(job)) return {};
  const end = job.spec?.completions ?? 0;
  const completed = parseIndexes(status.completedIndexes, end);
  for (const pod of pods.filter(hasSucceeded)) {
    const index = indexOf(pod);
    if (index !== undefined && index < end) completed.add(index);
  }
  const succeeded = completed.size || undefined;
  const completedIndexes = formatIndexes(completed);
  if (job.spec?.backoffLimitPerIndex === undefined) return { succeeded, completedIndexes };
  const failed = parseIndexes(status.failedIndexes, end);
  for (const pod of pods) {
    const index = indexOf(pod);
    if (index === undefined || index >= end || completed.has(index)) continue;
    if (hasFailed(job, pod) && failsIndex(job, pod)) failed.add(index);
  }
  return { succeeded, completedIndexes, failedIndexes: formatIndexes(failed) ?? '' };
}

/**
 * With `backoffLimitPerIndex` the last failed pod of an index stays until the next one, which inherits its count of
 * failures: there is no other account of it.
 */
function heldPods(job: Job, status: Status, pods: readonly Pod[]): ReadonlySet<Pod> {
  if (job.spec?.backoffLimitPerIndex === undefined || status.conditions?.some(isEnd)) return new Set();
  const over = parseIndexes(indexStatus(job, status, pods).completedIndexes);
  const held = [...Map.groupBy(pods, indexOf)].flatMap(([index, all]) => {
    const newest = all.toSorted((a, b) => age(b).localeCompare(age(a)) || failuresBefore(b) - failuresBefore(a))[0];
    const isLast = newest && isTracked(newest) && hasFailed(job, newest) && !failsIndex(job, newest);
    return isLast && index !== undefined && !over.has(index) ? [newest] : [];
  });
  return new Set(held);
}

const age = (pod: Pod): string => pod.metadata?.creationTimestamp ?? '';

const isEnd = ({ type, status }: NonNullable<Status['conditions']>[number]): boolean =>
  ['FailureTarget', 'SuccessCriteriaMet', 'Failed', 'Complete'].includes(type) && status === 'True';

/** All that ended, counted or about to be. */
export const succeededOf = (status: Status): number =>
  (status.succeeded ?? 0) + (status.uncountedTerminatedPods?.succeeded?.length ?? 0);
export const failedOf = (status: Status): number =>
  (status.failed ?? 0) + (status.uncountedTerminatedPods?.failed?.length ?? 0);
