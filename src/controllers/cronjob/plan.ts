import type { CronJob, Job } from '../../api/types.ts';
import { finishedCondition } from '../job/outcome.ts';
import { timestamp } from '../time.ts';
import { missedTimes, type Schedule } from './schedule.ts';

export interface CronEvent {
  readonly type: 'Normal' | 'Warning';
  readonly reason: string;
  readonly message: string;
}

export interface CronPlan {
  /** The time for which a job starts now. */
  readonly start?: Date;
  /** Running jobs that the new one takes the place of. */
  readonly replaced: readonly Job[];
  /** Old jobs beyond the limits of history. */
  readonly old: readonly Job[];
  readonly status: NonNullable<CronJob['status']>;
  readonly events: readonly CronEvent[];
  /** When to look again. */
  readonly next?: Date;
}

interface Step extends Pick<CronPlan, 'start' | 'next' | 'replaced' | 'events'> {
  /** The last time for which a job was started, where the status does not say so. */
  readonly scheduled?: Date;
}

/** What a CronJob does now, by its jobs and the time. `schedule` is undefined where it cannot be read. */
export function planCronJob(
  cronJob: CronJob,
  schedule: Schedule | undefined,
  jobs: readonly Job[],
  now: Date,
): CronPlan {
  const finished = jobs.filter((job) => finishedCondition(job.status));
  const running = jobs.filter((job) => !finishedCondition(job.status));
  const rests = !schedule || cronJob.spec?.suspend || cronJob.metadata?.deletionTimestamp;
  const step: Step = rests ? { replaced: [], events: [] } : nextStep(cronJob, schedule, jobs, running, now);
  const { scheduled, ...rest } = step;
  return {
    ...rest,
    old: beyondHistory(cronJob, finished),
    status: statusOf(cronJob, running, finished, scheduled),
    events: [...endings(cronJob, finished), ...missing(cronJob, jobs), ...step.events],
  };
}

function nextStep(
  cronJob: CronJob,
  schedule: Schedule,
  jobs: readonly Job[],
  running: readonly Job[],
  now: Date,
): Step {
  const { startingDeadlineSeconds, concurrencyPolicy } = cronJob.spec ?? {};
  const deadlineMs = startingDeadlineSeconds === undefined ? Number.POSITIVE_INFINITY : startingDeadlineSeconds * 1000;
  const done = Date.parse(cronJob.status?.lastScheduleTime ?? cronJob.metadata?.creationTimestamp ?? '');
  const since = new Date(Math.max(done, now.getTime() - deadlineMs));
  const { last, tooMany } = missedTimes(schedule, since, now);
  const wait: Step = { replaced: [], events: [], next: schedule.next(now) };
  if (!last) return wait;
  // Started, and the status could not be written.
  if (jobs.some((job) => job.metadata?.name === jobName(cronJob, last))) return { ...wait, scheduled: last };
  const late: CronEvent[] = tooMany
    ? [
        {
          type: 'Warning',
          reason: 'TooManyMissedTimes',
          message: 'too many missed start times. Set or decrease .spec.startingDeadlineSeconds or check clock skew',
        },
      ]
    : [];
  if (concurrencyPolicy === 'Forbid' && running.length > 0) {
    const message = 'Not starting job because prior execution is running and concurrency policy is Forbid';
    return { ...wait, events: [...late, { type: 'Normal', reason: 'JobAlreadyActive', message }] };
  }
  return {
    ...wait,
    start: last,
    scheduled: last,
    replaced: concurrencyPolicy === 'Replace' ? running : [],
    events: late,
  };
}

/** By this name no job is started twice for one time. */
export function jobName(cronJob: CronJob, scheduled: Date): string {
  return `${cronJob.metadata?.name}-${Math.floor(scheduled.getTime() / 60_000)}`;
}

function beyondHistory(cronJob: CronJob, finished: readonly Job[]): Job[] {
  const { successfulJobsHistoryLimit = 3, failedJobsHistoryLimit = 1 } = cronJob.spec ?? {};
  const start = ({ status, metadata }: Job) => status?.startTime ?? metadata?.creationTimestamp ?? '';
  const beyond = (type: string, limit: number) => {
    const ended = finished.filter((job) => finishedCondition(job.status)?.type === type);
    const oldestFirst = ended.sort((a, b) => start(a).localeCompare(start(b)));
    return oldestFirst.slice(0, Math.max(0, oldestFirst.length - limit));
  };
  return [...beyond('Complete', successfulJobsHistoryLimit), ...beyond('Failed', failedJobsHistoryLimit)];
}

function statusOf(
  cronJob: CronJob,
  running: readonly Job[],
  finished: readonly Job[],
  scheduled: Date | undefined,
): CronPlan['status'] {
  const active = running.map(({ metadata }) => ({
    apiVersion: 'batch/v1',
    kind: 'Job',
    name: metadata?.name,
    namespace: metadata?.namespace,
    uid: metadata?.uid,
    resourceVersion: metadata?.resourceVersion,
  }));
  // A job's resourceVersion is that of when it was first seen: its changes are not the CronJob's.
  const known = new Map((cronJob.status?.active ?? []).map((ref) => [ref.uid, ref]));
  const successes = finished.flatMap(({ status }) => status?.completionTime ?? []);
  const lastSuccessfulTime = [...successes, cronJob.status?.lastSuccessfulTime ?? ''].sort().at(-1) || undefined;
  return {
    active: active.length > 0 ? active.map((ref) => known.get(ref.uid) ?? ref) : undefined,
    lastScheduleTime: scheduled ? timestamp(scheduled.getTime()) : cronJob.status?.lastScheduleTime,
    lastSuccessfulTime,
  };
}

/** Jobs that were running when last looked at, and have ended. */
function endings(cronJob: CronJob, finished: readonly Job[]): CronEvent[] {
  const wasActive = new Set((cronJob.status?.active ?? []).map(({ uid }) => uid));
  return finished
    .filter(({ metadata }) => wasActive.has(metadata?.uid))
    .map(({ metadata, status }) => ({
      type: 'Normal',
      reason: 'SawCompletedJob',
      message: `Saw completed job: ${metadata?.name}, condition: ${finishedCondition(status)?.type}`,
    }));
}

/** Jobs that were running when last looked at, and are there no more. One that another takes the place of is missed by nobody. */
function missing(cronJob: CronJob, jobs: readonly Job[]): CronEvent[] {
  if (cronJob.spec?.concurrencyPolicy === 'Replace') return [];
  const present = new Set(jobs.map(({ metadata }) => metadata?.uid));
  const gone = (cronJob.status?.active ?? []).filter(({ uid }) => !present.has(uid));
  return gone.map(({ name }) => ({
    type: 'Normal',
    reason: 'MissingJob',
    message: `Active job went missing: ${name}`,
  }));
}
