import { jobs, pods } from '../../api/resource.ts';
import type { Job, Pod } from '../../api/types.ts';
import type { Running } from '../../base/running.ts';
import { keyOf } from '../../client/cache.ts';
import { isNotFound } from '../../client/client.ts';
import type { ControllerContext } from '../context.ts';
import { createOwnedPods } from '../owned-pods.ts';
import { controllerOf } from '../owners.ts';
import { podOf } from '../pod-template.ts';
import { isActive, isReady, isTerminating } from '../pods.ts';
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
import { FINALIZER, failedOf, isTracked, type Status, succeededOf, track } from './tracking.ts';

/** The first pause after a failed pod; it doubles with each, up to ten minutes. */
const BACKOFF_MS = 10_000;
const MAX_BACKOFF_MS = 600_000;

/** Runs pods until enough of them ended well. Of Kubernetes' jobs only those without an index. */
export function startJobController(context: ControllerContext): Running {
  const { client, informers, run } = context;
  const allJobs = informers.informer(jobs);
  const events = context.events('job-controller');
  const owned = createOwnedPods(context, { owners: allJobs, events, selectorOf: ({ spec }) => spec?.selector });

  const controller = run({
    name: 'job-controller',
    informers: [allJobs, owned.informer],
    async sync(key) {
      const job = allJobs.get(key);
      if (!job) return;
      const all = await owned.of(job);
      if (job.metadata?.deletionTimestamp) return releaseAll(all);
      const finished = finishedCondition(job.status);
      if (finished) {
        await releaseAll(all);
        return expire(job, key, finished.lastTransitionTime);
      }
      if (job.spec?.completionMode === 'Indexed') {
        events.event(job, 'Warning', 'IndexedJobNotSupported', 'completionMode Indexed is not supported yet');
        return;
      }
      if (owned.isCurrent(key)) await advance(job, key, all);
    },
  });

  const advance = async (job: Job, key: string, all: readonly Pod[]): Promise<void> => {
    const started = {
      ...job.status,
      startTime: job.status?.startTime ?? (job.spec?.suspend ? undefined : timestamp()),
    };
    const { status, release } = track(started, all);
    const active = all.filter(isActive);
    const outcome = announcedOutcome(job.status) ?? outcomeOf(job, status, active, Date.now());
    const surplus = outcome || job.spec?.suspend ? active : active.slice(job.spec?.parallelism ?? 1);
    const counted: Status = {
      ...suspended(job, status),
      active: active.length - surplus.length || undefined,
      ready: active.filter((pod) => isReady(pod) && !surplus.includes(pod)).length,
      terminating: all.filter(isTerminating).length,
    };
    const isOver = release.length === 0 && active.length === 0 && !all.some((pod) => isTracked(pod));
    const next = outcome ? withOutcome(counted, outcome, isOver) : counted;
    await writeStatus(client, jobs, job, next);
    if (outcome && isOver) tellEnd(job, next);
    await releaseAll(release);
    const missing = outcome || job.spec?.suspend ? 0 : missingPods(job, key, next, active, all);
    const failure = await owned.change(
      job,
      Array.from({ length: missing }, () => newPod(job)),
      surplus,
    );
    if (failure) throw failure.error;
    const deadline = untilDeadline(job, next, Date.now());
    if (deadline !== undefined && !outcome) controller.enqueueAfter(key, deadline + 1);
  };

  const tellEnd = (job: Job, status: Status): void => {
    const end = finishedCondition(status);
    if (end?.type === 'Complete') events.event(job, 'Normal', 'Completed', 'Job completed');
    else events.event(job, 'Warning', end?.reason ?? 'Failed', end?.message ?? 'Job failed');
  };

  /** How many pods may start now. Looks again when more may. */
  const missingPods = (job: Job, key: string, status: Status, active: readonly Pod[], all: readonly Pod[]): number => {
    const { parallelism = 1, completions } = job.spec ?? {};
    const left = completions === undefined ? parallelism : completions - succeededOf(status);
    const isEnough = completions === undefined && succeededOf(status) > 0;
    const missing = isEnough ? 0 : Math.min(parallelism, left) - active.length;
    if (missing <= 0) return 0;
    const wait = backoffOf(status, all) - Date.now();
    if (wait > 0) controller.enqueueAfter(key, wait);
    return wait > 0 ? 0 : missing;
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

  const expire = async (job: Job, key: string, since: string | undefined): Promise<void> => {
    const seconds = job.spec?.ttlSecondsAfterFinished;
    if (seconds === undefined || !since) return;
    const wait = Date.parse(since) + seconds * 1000 - Date.now();
    if (wait > 0) return controller.enqueueAfter(key, wait);
    const { name = '', namespace, uid } = job.metadata ?? {};
    await client.delete(jobs, { name, namespace }, { propagationPolicy: 'Foreground', preconditions: { uid } });
  };

  owned.follow(controller);
  owned.informer.onChange((pod) => {
    // A pod whose job is gone is nobody's to count.
    const owner = pod && controllerOf(pod);
    if (!pod || !isTracked(pod) || !isTerminating(pod) || owner?.kind !== 'Job') return;
    if (!allJobs.get(`${pod.metadata?.namespace}/${owner.name}`)) stray.enqueue(keyOf(pod));
  });

  const stray = run({
    name: 'job-controller/strays',
    informers: [allJobs, owned.informer],
    workers: 1,
    async sync(key) {
      const pod = owned.informer.get(key);
      const owner = pod && controllerOf(pod);
      if (pod && allJobs.get(`${pod.metadata?.namespace}/${owner?.name}`)?.metadata?.uid !== owner?.uid) {
        await releaseAll([pod]);
      }
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

/** When the next pod may start, in ms of the epoch. */
function backoffOf(status: Status, owned: readonly Pod[]): number {
  const failures = failedOf(status);
  const ends = owned
    .filter((pod) => pod.status?.phase === 'Failed')
    .flatMap((pod) => pod.status?.containerStatuses ?? [])
    .flatMap((container) => container.state?.terminated?.finishedAt ?? [])
    .map((time) => Date.parse(time));
  if (failures === 0 || ends.length === 0) return 0;
  return Math.max(...ends) + Math.min(MAX_BACKOFF_MS, BACKOFF_MS * 2 ** (failures - 1));
}

function newPod(job: Job): Pod {
  const pod = podOf(jobs, job, job.spec?.template);
  pod.metadata.finalizers = [...(pod.metadata.finalizers ?? []), FINALIZER];
  return pod;
}
