import type { Job, Pod } from '../../api/types.ts';
import { timestamp } from '../time.ts';
import { verdictOn } from './failure-policy.ts';
import { isIndexed, parseIndexes } from './indexes.ts';
import { failedOf, type Status, succeededOf } from './tracking.ts';

type Condition = NonNullable<Status['conditions']>[number];

/** How a job ended or is about to end, in Kubernetes' words. */
export interface Outcome {
  readonly type: 'Complete' | 'Failed';
  readonly reason: string;
  readonly message: string;
}

/** Conditions that announce an end while pods still run (KEP-3998). */
const announcements = { Complete: 'SuccessCriteriaMet', Failed: 'FailureTarget' } as const;

/** What a job comes to by its pods and its numbers; undefined while it goes on. */
export function outcomeOf(
  job: Job,
  status: Status,
  all: readonly Pod[],
  active: readonly Pod[],
  now: number,
): Outcome | undefined {
  return (
    failedByPolicy(job, all) ??
    failedByNumbers(job, status, active, now) ??
    failedByIndexes(job, status) ??
    succeededByPolicy(job, status) ??
    completed(job, status, active)
  );
}

const failed = (reason: string, message: string): Outcome => ({ type: 'Failed', reason, message });

function failedByPolicy(job: Job, all: readonly Pod[]): Outcome | undefined {
  for (const pod of all.filter(({ status }) => status?.phase === 'Failed')) {
    const { action, message } = verdictOn(job, pod);
    if (action === 'FailJob') return failed('PodFailurePolicy', message);
  }
  return undefined;
}

function failedByNumbers(job: Job, status: Status, active: readonly Pod[], now: number): Outcome | undefined {
  const { backoffLimit = 6 } = job.spec ?? {};
  const restarts = active
    .flatMap((pod) => [...(pod.status?.containerStatuses ?? []), ...(pod.status?.initContainerStatuses ?? [])])
    .reduce((sum, container) => sum + container.restartCount, 0);
  const inPlace = job.spec?.template?.spec?.restartPolicy === 'OnFailure';
  if (failedOf(status) > backoffLimit || (inPlace && restarts > 0 && restarts >= backoffLimit)) {
    return failed('BackoffLimitExceeded', 'Job has reached the specified backoff limit');
  }
  if ((untilDeadline(job, status, now) ?? 1) > 0) return undefined;
  return failed('DeadlineExceeded', 'Job was active longer than specified deadline');
}

function failedByIndexes(job: Job, status: Status): Outcome | undefined {
  const { backoffLimitPerIndex, maxFailedIndexes, completions = 0 } = job.spec ?? {};
  if (backoffLimitPerIndex === undefined) return undefined;
  const count = parseIndexes(status.failedIndexes).size;
  if (maxFailedIndexes !== undefined && count > maxFailedIndexes) {
    return failed('MaxFailedIndexesExceeded', 'Job has exceeded the specified maximal number of failed indexes');
  }
  const isOver = count > 0 && count + succeededOf(status) >= completions;
  return isOver ? failed('FailedIndexes', 'Job has failed indexes') : undefined;
}

function succeededByPolicy(job: Job, status: Status): Outcome | undefined {
  if (!isIndexed(job)) return undefined;
  const done = parseIndexes(status.completedIndexes);
  for (const [at, { succeededIndexes, succeededCount }] of (job.spec?.successPolicy?.rules ?? []).entries()) {
    const wanted = succeededIndexes === undefined ? done : parseIndexes(succeededIndexes);
    const reached = [...wanted].filter((index) => done.has(index)).length;
    if (reached < (succeededCount ?? wanted.size) || reached === 0) continue;
    return { type: 'Complete', reason: 'SuccessPolicy', message: `Matched rules at index ${at}` };
  }
  return undefined;
}

function completed(job: Job, status: Status, active: readonly Pod[]): Outcome | undefined {
  const { completions } = job.spec ?? {};
  const succeeded = succeededOf(status);
  // Without a number of completions one success is enough, and the others may end.
  const done = completions === undefined ? succeeded > 0 && active.length === 0 : succeeded >= completions;
  const message = 'Reached expected number of succeeded pods';
  return done ? { type: 'Complete', reason: 'CompletionsReached', message } : undefined;
}

/** Time in ms until `activeDeadlineSeconds` is over. */
export function untilDeadline(job: Job, status: Status, now: number): number | undefined {
  const seconds = job.spec?.activeDeadlineSeconds;
  if (seconds === undefined || !status.startTime || job.spec?.suspend) return undefined;
  return Date.parse(status.startTime) + seconds * 1000 - now;
}

/** The outcome that was announced before, which stands whatever comes later. */
export function announcedOutcome(status: Status | undefined): Outcome | undefined {
  for (const type of ['Complete', 'Failed'] as const) {
    const found = status?.conditions?.find((each) => each.type === announcements[type] && each.status === 'True');
    if (found) return { type, reason: found.reason ?? '', message: found.message ?? '' };
  }
  return undefined;
}

export const finishedCondition = (status: Status | undefined): Condition | undefined =>
  status?.conditions?.find(({ type, status: value }) => (type === 'Complete' || type === 'Failed') && value === 'True');

/** The status with an outcome: announced, and final when nothing of the job runs or is to be counted. */
export function withOutcome(status: Status, outcome: Outcome, isOver: boolean): Status {
  const { type, reason, message } = outcome;
  let next = withCondition(status, { type: announcements[type], status: 'True', reason, message });
  if (!isOver) return next;
  next = withCondition(next, { type, status: 'True', reason, message });
  return type === 'Complete' ? { ...next, completionTime: next.completionTime ?? timestamp() } : next;
}

export function withCondition(
  status: Status,
  change: Pick<Condition, 'type' | 'status' | 'reason' | 'message'>,
): Status {
  const conditions = status.conditions ?? [];
  const present = conditions.find(({ type }) => type === change.type);
  if (present?.status === change.status && present.reason === change.reason) return status;
  const now = timestamp();
  const others = conditions.filter(({ type }) => type !== change.type);
  return { ...status, conditions: [...others, { ...change, lastProbeTime: now, lastTransitionTime: now }] };
}
