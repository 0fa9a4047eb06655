import { cronJobs, jobs } from '../../api/resource.ts';
import type { CronJob, Job } from '../../api/types.ts';
import { messageOf } from '../../base/errors.ts';
import { keyOf } from '../../client/cache.ts';
import { isAlreadyExists, isNotFound } from '../../client/client.ts';
import type { Controller } from '../../client/controller.ts';
import type { ControllerContext } from '../context.ts';
import { CONTROLLER_INDEX, controllerIndex, controllerOf, controllerReference, isControlledBy } from '../owners.ts';
import { writeStatus } from '../status.ts';
import { timestamp } from '../time.ts';
import { jobName, planCronJob } from './plan.ts';
import { parseSchedule, type Schedule } from './schedule.ts';

/** The clock may be set while a timer runs: no time is missed by more than this. */
const LOOK_AGAIN_MS = 60_000;
const SCHEDULED_AT = 'batch.kubernetes.io/cronjob-scheduled-timestamp';

/** Starts jobs when their time has come. */
export function startCronJobController(context: ControllerContext): Controller {
  const { client, informers, run } = context;
  const allCronJobs = informers.informer(cronJobs);
  const allJobs = informers.informer(jobs, { indexes: controllerIndex });
  const events = context.events('cronjob-controller');

  const controller = run({
    name: 'cronjob-controller',
    informers: [allCronJobs, allJobs],
    async sync(key) {
      const cronJob = allCronJobs.get(key);
      if (!cronJob) return;
      const owned = allJobs.byIndex(CONTROLLER_INDEX, cronJob.metadata?.uid ?? '');
      const plan = planCronJob(cronJob, scheduleOf(cronJob), owned, new Date());
      for (const { type, reason, message } of plan.events) events.event(cronJob, type, reason, message);
      for (const job of plan.old) await remove(cronJob, job);
      for (const job of plan.replaced) await remove(cronJob, job);
      if (plan.start) await start(cronJob, plan.start);
      await writeStatus(client, cronJobs, cronJob, plan.status);
      if (plan.next) controller.enqueueAfter(key, Math.min(plan.next.getTime() - Date.now() + 1, LOOK_AGAIN_MS));
    },
  });

  const scheduleOf = (cronJob: CronJob): Schedule | undefined => {
    const { schedule = '', timeZone } = cronJob.spec ?? {};
    try {
      return parseSchedule(schedule, timeZone);
    } catch (error) {
      const message = `unparseable schedule: ${JSON.stringify(schedule)} : ${messageOf(error)}`;
      events.event(cronJob, 'Warning', 'UnparseableCronJobSchedule', message);
      return undefined;
    }
  };

  const start = async (cronJob: CronJob, time: Date): Promise<void> => {
    const job = jobFor(cronJob, time);
    const { name = '', namespace } = job.metadata ?? {};
    try {
      await client.create(jobs, job);
      events.event(cronJob, 'Normal', 'SuccessfulCreate', `Created job ${name}`);
    } catch (error) {
      // Started by us before we could write it down.
      if (isAlreadyExists(error) && isControlledBy(await client.get(jobs, { name, namespace }), cronJob)) return;
      events.event(cronJob, 'Warning', 'FailedCreate', `Error creating job: ${messageOf(error)}`);
      throw error;
    }
  };

  const remove = async (cronJob: CronJob, job: Job): Promise<void> => {
    const { name = '', namespace, uid } = job.metadata ?? {};
    if (job.metadata?.deletionTimestamp) return;
    try {
      const options = { propagationPolicy: 'Background', preconditions: { uid } } as const;
      await client.delete(jobs, { name, namespace }, options);
      events.event(cronJob, 'Normal', 'SuccessfulDelete', `Deleted job ${name}`);
    } catch (error) {
      if (isNotFound(error)) return;
      events.event(cronJob, 'Warning', 'FailedDelete', `Deleted job: ${messageOf(error)}`);
      throw error;
    }
  };

  allCronJobs.onChange((cronJob) => {
    if (cronJob) controller.enqueue(keyOf(cronJob));
  });
  allJobs.onChange((job, old) => {
    const changed = job ?? old;
    const owner = changed && controllerOf(changed);
    if (owner?.kind === 'CronJob') controller.enqueue(`${changed?.metadata?.namespace}/${owner.name}`);
  });
  return controller;
}

function jobFor(cronJob: CronJob, time: Date): Job {
  const { metadata, spec } = cronJob.spec?.jobTemplate ?? {};
  return {
    metadata: {
      name: jobName(cronJob, time),
      namespace: cronJob.metadata?.namespace,
      labels: metadata?.labels,
      annotations: { ...metadata?.annotations, [SCHEDULED_AT]: timestamp(time.getTime()) },
      ownerReferences: [controllerReference(cronJobs, cronJob)],
    },
    spec,
  };
}
