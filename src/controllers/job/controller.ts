import { isDeepStrictEqual } from 'node:util';
import { jobs, pods } from '../../api/resource.ts';
import type { Job, Pod } from '../../api/types.ts';
import { messageOf } from '../../base/errors.ts';
import type { Running } from '../../base/running.ts';
import { keyOf } from '../../client/cache.ts';
import { isNotFound } from '../../client/client.ts';
import { runController } from '../../client/controller.ts';
import { slowStart } from '../batches.ts';
import type { ControllerContext } from '../context.ts';
import { Expectations } from '../expectations.ts';
import { CONTROLLER_INDEX, controllerIndex, controllerOf, controllerReference } from '../owners.ts';
import { isActive, isReady, isTerminating } from '../pods.ts';
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
  const { client, informers, log } = context;
  const allJobs = informers.informer(jobs);
  const allPods = informers.informer(pods, { indexes: controllerIndex });
  const expectations = new Expectations();
  const events = context.events('job-controller');

  const controller = runController({
    name: 'job-controller',
    log,
    informers: [allJobs, allPods],
    async sync(key) {
      const job = allJobs.get(key);
      if (!job) return expectations.forget(key);
      const owned = allPods.byIndex(CONTROLLER_INDEX, job.metadata?.uid ?? '');
      if (job.metadata?.deletionTimestamp) return releaseAll(owned);
      const finished = finishedCondition(job.status);
      if (finished) {
        await releaseAll(owned);
        return expire(job, key, finished.lastTransitionTime);
      }
      if (job.spec?.completionMode === 'Indexed') {
        events.event(job, 'Warning', 'IndexedJobNotSupported', 'completionMode Indexed is not supported yet');
        return;
      }
      if (expectations.fulfilled(key)) await advance(job, key, owned);
    },
  });

  const advance = async (job: Job, key: string, owned: readonly Pod[]): Promise<void> => {
    const started = {
      ...job.status,
      startTime: job.status?.startTime ?? (job.spec?.suspend ? undefined : timestamp()),
    };
    const { status, release } = track(started, owned);
    const active = owned.filter(isActive);
    const outcome = announcedOutcome(job.status) ?? outcomeOf(job, status, active, Date.now());
    const surplus = outcome || job.spec?.suspend ? active : active.slice(job.spec?.parallelism ?? 1);
    const counted: Status = {
      ...suspended(job, status),
      active: active.length - surplus.length || undefined,
      ready: active.filter((pod) => isReady(pod) && !surplus.includes(pod)).length,
      terminating: owned.filter(isTerminating).length,
    };
    const isOver = release.length === 0 && active.length === 0 && !owned.some((pod) => isTracked(pod));
    const next = outcome ? withOutcome(counted, outcome, isOver) : counted;
    await write(job, next);
    if (outcome && isOver) tellEnd(job, next);
    await releaseAll(release);
    if (surplus.length > 0) await endPods(job, key, surplus);
    if (!outcome && !job.spec?.suspend) await startPods(job, key, next, active, owned);
    const deadline = untilDeadline(job, next, Date.now());
    if (deadline !== undefined && !outcome) controller.enqueueAfter(key, deadline + 1);
  };

  const write = async (job: Job, status: Status): Promise<void> => {
    const plain = (value: unknown): unknown => JSON.parse(JSON.stringify(value ?? {}));
    if (isDeepStrictEqual(plain(job.status), plain(status))) return;
    await client.updateStatus(jobs, { ...job, status });
  };

  const tellEnd = (job: Job, status: Status): void => {
    const end = finishedCondition(status);
    if (end?.type === 'Complete') events.event(job, 'Normal', 'Completed', 'Job completed');
    else events.event(job, 'Warning', end?.reason ?? 'Failed', end?.message ?? 'Job failed');
  };

  const startPods = async (job: Job, key: string, status: Status, active: readonly Pod[], owned: readonly Pod[]) => {
    const { parallelism = 1, completions } = job.spec ?? {};
    const left = completions === undefined ? parallelism : completions - succeededOf(status);
    const isEnough = completions === undefined && succeededOf(status) > 0;
    const missing = isEnough ? 0 : Math.min(parallelism, left) - active.length;
    if (missing <= 0) return;
    const wait = backoffOf(status, owned) - Date.now();
    if (wait > 0) return controller.enqueueAfter(key, wait);
    expectations.expect(key, missing, []);
    const { done, error } = await slowStart(missing, async () => {
      try {
        const pod = await client.create(pods, newPod(job));
        events.event(job, 'Normal', 'SuccessfulCreate', `Created pod: ${pod.metadata?.name}`);
      } catch (problem) {
        events.event(job, 'Warning', 'FailedCreate', `Error creating: ${messageOf(problem)}`);
        throw problem;
      }
    });
    expectations.created(key, missing - done);
    if (error !== undefined) throw error;
  };

  const endPods = async (job: Job, key: string, surplus: readonly Pod[]): Promise<void> => {
    for (const pod of surplus) {
      const { name = '', namespace, uid } = pod.metadata ?? {};
      try {
        await client.delete(pods, { name, namespace }, { preconditions: { uid } });
        events.event(job, 'Normal', 'SuccessfulDelete', `Deleted pod: ${name}`);
      } catch (error) {
        if (!isNotFound(error)) throw error;
      }
    }
    controller.enqueueAfter(key, 1_000);
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

  allJobs.onChange((job, old) => {
    const changed = job ?? old;
    if (!changed) return;
    if (!job) expectations.forget(keyOf(changed));
    controller.enqueue(keyOf(changed));
  });
  allPods.onChange((pod, old) => {
    const changed = pod ?? old;
    const owner = changed && controllerOf(changed);
    if (owner?.kind !== 'Job') return;
    const key = `${changed?.metadata?.namespace}/${owner.name}`;
    if (pod && !old) expectations.created(key);
    // A pod whose job is gone is nobody's to count.
    if (pod && isTracked(pod) && isTerminating(pod) && !allJobs.get(key)) stray.enqueue(keyOf(pod));
    controller.enqueue(key);
  });

  const stray = runController({
    name: 'job-controller/strays',
    log,
    informers: [allJobs, allPods],
    workers: 1,
    async sync(key) {
      const pod = allPods.get(key);
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
  const { name = '', namespace } = job.metadata ?? {};
  const template = job.spec?.template;
  return {
    metadata: {
      generateName: `${name}-`,
      namespace,
      labels: { ...template?.metadata?.labels },
      annotations: template?.metadata?.annotations,
      finalizers: [...(template?.metadata?.finalizers ?? []), FINALIZER],
      ownerReferences: [controllerReference(jobs, job)],
    },
    spec: template?.spec,
  };
}
