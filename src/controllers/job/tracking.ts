import type { Job, Pod } from '../../api/types.ts';
import { isTerminating } from '../pods.ts';

export const FINALIZER = 'batch.kubernetes.io/job-tracking';

export type Status = NonNullable<Job['status']>;

export const isTracked = (pod: Pod): boolean => pod.metadata?.finalizers?.includes(FINALIZER) === true;

const hasSucceeded = (pod: Pod): boolean => pod.status?.phase === 'Succeeded';

/** Ended badly, or is being ended by somebody before it was done. */
const hasFailed = (pod: Pod): boolean => pod.status?.phase === 'Failed' || (isTerminating(pod) && !hasSucceeded(pod));

/**
 * Counts each pod once, whatever is lost on the way (KEP-2307): a pod that ended is first named in
 * `uncountedTerminatedPods`, then loses its finalizer, and only then is a number, as it may be gone by then.
 * Returns the next status and the pods whose finalizer may go once it is written.
 */
export function track(status: Status, pods: readonly Pod[]): { readonly status: Status; readonly release: Pod[] } {
  const tracked = new Map(pods.filter(isTracked).map((pod) => [pod.metadata?.uid ?? '', pod]));
  const fold = (before: readonly string[], test: (pod: Pod) => boolean) => {
    const pending = before.filter((uid) => tracked.has(uid));
    const fresh = [...tracked].filter(([uid, pod]) => test(pod) && !before.includes(uid)).map(([uid]) => uid);
    return { counted: before.length - pending.length, uids: [...pending, ...fresh] };
  };
  const succeeded = fold(status.uncountedTerminatedPods?.succeeded ?? [], hasSucceeded);
  const failed = fold(status.uncountedTerminatedPods?.failed ?? [], hasFailed);
  const release = [...succeeded.uids, ...failed.uids].flatMap((uid) => tracked.get(uid) ?? []);
  return {
    status: {
      ...status,
      succeeded: (status.succeeded ?? 0) + succeeded.counted || undefined,
      failed: (status.failed ?? 0) + failed.counted || undefined,
      uncountedTerminatedPods: {
        ...(succeeded.uids.length > 0 ? { succeeded: succeeded.uids } : {}),
        ...(failed.uids.length > 0 ? { failed: failed.uids } : {}),
      },
    },
    release,
  };
}

/** All that ended, counted or about to be. */
export const succeededOf = (status: Status): number =>
  (status.succeeded ?? 0) + (status.uncountedTerminatedPods?.succeeded?.length ?? 0);
export const failedOf = (status: Status): number =>
  (status.failed ?? 0) + (status.uncountedTerminatedPods?.failed?.length ?? 0);
