import { jobs, pods } from '../../api/resource.ts';
import type { Job, Pod } from '../../api/types.ts';
import type { Running } from '../../base/running.ts';
import { keyOf } from '../../client/cache.ts';
import { isNotFound } from '../../client/client.ts';
import type { ControllerContext } from '../context.ts';
import { createOwnedPods } from '../owned-pods.ts';
import { CONTROLLER_INDEX, controllerOf } from '../owners.ts';
import { hasEnded, isActive, isReady, isTerminating } from '../pods.ts';
import { writeStatus } from '../status.ts';
import { timestamp } from '../time.ts';
import {
  announcedOutcome,
  finishedCondition,
  outcomeOf,
  untilDeadline,
  withCondition,
  withOutcome,
} from './outcome.ts';
import { planJob } from './plan.ts';
import { FINALIZER, isTracked, type Status, track } from './tracking.ts';

/** Jobs of another name are somebody else's (`spec.managedBy`). */
const NAME = 'kubernetes.io/job-controller';

/** Runs pods until enough of them ended well. */
export function startJobController(context: ControllerContext): Running {
  const { client, informers, run } = context;
  const allJobs = informers.informer(jobs);
  const events = context.events('job-controller');
  const owned = createOwnedPods(context, {
    owners: allJobs,
    events,
    selectorOf: ({ spec }) => spec?.selector,
    finalizer: FINALIZER,
  });

  const controller = run({
    name: 'job-controller',
    informers: [allJobs, owned.informer],
    async sync(key) {
      const job = allJobs.get(key);
      if (!job || (job.spec?.managedBy ?? NAME) !== NAME) return;
      const all = await owned.of(job);
      if (job.metadata?.deletionTimestamp) return releaseAll(all);
      const finished = finishedCondition(job.status);
      if (finished) {
        await releaseAll(all);
        return expire(job, key, finished.lastTransitionTime);
      }
      if (owned.isCurrent(key)) await advance(job, key, all);
    },
  });

  const advance = async (job: Job, key: string, all: readonly Pod[]): Promise<void> => {
    const { suspend } = job.spec ?? {};
    const now = Date.now();
    const started = { ...job.status, startTime: job.status?.startTime ?? (suspend ? undefined : timestamp()) };
    const { status, release } = track(job, started, all);
    const active = all.filter(isActive);
    const outcome = announcedOutcome(job.status) ?? outcomeOf(job, status, all, active, now);
    const plan = outcome || suspend ? { create: [], remove: active } : planJob(job, status, all, now);
    const kept = active.filter((pod) => !plan.remove.includes(pod));
    const counted: Status = {
      ...suspended(job, status),
      active: kept.length || undefined,
      ready: kept.filter(isReady).length,
      terminating: all.filter((pod) => isTerminating(pod) && !hasEnded(pod)).length,
    };
    // A job has ended when nothing of it runs any more.
    const isOver = release.length === 0 && active.length === 0 && !all.some(isTracked) && counted.terminating === 0;
    const next = outcome ? withOutcome(counted, outcome, isOver) : counted;
    await writeStatus(client, jobs, job, next);
    tellChanges(job, next, outcome !== undefined && isOver);
    await releaseAll(release);
    const failure = await owned.change(job, plan.create, plan.remove);
    if (failure) throw failure.error;
    if (plan.again !== undefined) controller.enqueueAfter(key, plan.again - now + 1);
    const deadline = untilDeadline(job, next, now);
    if (deadline !== undefined && !outcome) controller.enqueueAfter(key, deadline + 1);
  };

  const tellChanges = (job: Job, next: Status, isOver: boolean): void => {
    const isSuspended = (status: Status | undefined) =>
      status?.conditions?.some(({ type, status: value }) => type === 'Suspended' && value === 'True') ?? false;
    if (isSuspended(next) && !isSuspended(job.status)) events.event(job, 'Normal', 'Suspended', 'Job suspended');
    if (!isSuspended(next) && isSuspended(job.status)) events.event(job, 'Normal', 'Resumed', 'Job resumed');
    if (isOver) tellEnd(job, next);
  };

  const tellEnd = (job: Job, status: Status): void => {
    const end = finishedCondition(status);
    if (end?.type === 'Complete') events.event(job, 'Normal', 'Completed', 'Job completed');
    else events.event(job, 'Warning', end?.reason ?? 'Failed', end?.message ?? 'Job failed');
  };

  const releaseAll = async (some: readonly Pod[]): Promise<void> => {
    await Promise.all(some.filter(isTracked).map(release));
  };

  const release = async (pod: Pod): Promise<void> => {
    const { name = '', namespace, uid, resourceVersion } = pod.metadata ?? {};
    const finalizers = pod.metadata?.finalizers?.filter((finalizer) => finalizer !== FINALIZER);
    try {
      await client.patch(pods, { name, namespace }, 'merge', { metadata: { uid, resourceVersion, finalizers } });
    } catch (error) {
      if (!isNotFound(error)) throw error;
    }
  };

  /** A pod whose job is gone, or that has none, is nobody's to count. */
  const isStray = (pod: Pod): boolean => {
    const owner = controllerOf(pod);
    if (!owner) return true;
    return owner.kind === 'Job' && allJobs.get(`${pod.metadata?.namespace}/${owner.name}`)?.metadata?.uid !== owner.uid;
  };

  const expire = async (job: Job, key: string, since: string | undefined): Promise<void> => {
    const seconds = job.spec?.ttlSecondsAfterFinished;
    if (seconds === undefined || !since) return;
    const wait = Date.parse(since) + seconds * 1000 - Date.now();
    if (wait > 0) return controller.enqueueAfter(key, wait);
    const { name = '', namespace, uid } = job.metadata ?? {};
    await client.delete(jobs, { name, namespace }, { propagationPolicy: 'Foreground', preconditions: { uid } });
  };

  owned.follow(controller);
  const enqueueStray = (pod: Pod): void => {
    if (isTracked(pod) && isTerminating(pod) && isStray(pod)) stray.enqueue(keyOf(pod));
  };
  owned.informer.onChange((pod) => {
    if (pod) enqueueStray(pod);
  });

  allJobs.onChange((job, old) => {
    if (job || !old) return;
    for (const pod of owned.informer.byIndex(CONTROLLER_INDEX, old.metadata?.uid ?? '')) enqueueStray(pod);
  });

  const stray = run({
    name: 'job-controller/strays',
    informers: [allJobs, owned.informer],
    workers: 1,
    async sync(key) {
      const pod = owned.informer.get(key);
      if (pod && isStray(pod)) await releaseAll([pod]);
    },
  });

  return {
    async stop() {
      await Promise.all([controller.stop(), stray.stop()]);
    },
  };
}

function suspended(job: Job, status: Status): Status {
  const was = status.conditions?.some(({ type, status: value }) => type === 'Suspended' && value === 'True');
  if (job.spec?.suspend) {
    const reason = { reason: 'JobSuspended', message: 'Job suspended' };
    return { ...withCondition(status, { type: 'Suspended', status: 'True', ...reason }), startTime: undefined };
  }
  if (!was) return status;
  const reason = { reason: 'JobResumed', message: 'Job resumed' };
  return { ...withCondition(status, { type: 'Suspended', status: 'False', ...reason }), startTime: timestamp() };
}
