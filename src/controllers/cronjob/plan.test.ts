import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { CronJob, Job } from '../../api/types.ts';
import { jobName, planCronJob } from './plan.ts';
import { parseSchedule } from './schedule.ts';

const schedule = parseSchedule('*/10 * * * *', 'UTC');
const at = (time: string) => new Date(`2026-01-01T${time}Z`);

const cronJob = (spec: Partial<NonNullable<CronJob['spec']>> = {}, lastScheduleTime?: string): CronJob => ({
  metadata: { name: 'tick', namespace: 'default', uid: 'tick', creationTimestamp: '2026-01-01T00:00:00Z' },
  spec: { schedule: '*/10 * * * *', jobTemplate: {}, ...spec },
  status: { lastScheduleTime },
});

function job(name: string, ended?: 'Complete' | 'Failed', startTime = '2026-01-01T00:00:00Z'): Job {
  const conditions = ended ? [{ type: ended, status: 'True' }] : [];
  return { metadata: { name, uid: name }, status: { startTime, conditions } };
}

const plan = (of: CronJob, jobs: readonly Job[], time: string) => planCronJob(of, schedule, jobs, at(time));
const names = (jobs: readonly Job[]) => jobs.map(({ metadata }) => metadata?.name);

test('a job starts when its time has come, once', () => {
  assert.equal(plan(cronJob(), [], '00:09:59').start, undefined);
  assert.equal(plan(cronJob(), [], '00:09:59').next?.toISOString(), '2026-01-01T00:10:00.000Z');
  assert.deepEqual(plan(cronJob(), [], '00:10:00').start, at('00:10:00'));
  assert.equal(plan(cronJob({}, '2026-01-01T00:10:00Z'), [], '00:10:01').start, undefined);
  const started = job(jobName(cronJob(), at('00:10:00')));
  assert.equal(plan(cronJob(), [started], '00:10:01').start, undefined, 'also where nobody wrote it down');
});

test('of the times that were missed the last one counts', () => {
  assert.deepEqual(plan(cronJob(), [], '01:05:00').start, at('01:00:00'));
});

test('after its deadline a time is not made up for', () => {
  const strict = cronJob({ startingDeadlineSeconds: 60 });
  assert.equal(plan(strict, [], '00:15:00').start, undefined);
  assert.deepEqual(plan(strict, [], '00:10:30').start, at('00:10:00'));
});

test('a suspended one starts nothing', () => {
  assert.equal(plan(cronJob({ suspend: true }), [], '01:00:00').start, undefined);
});

test('the concurrency policy says what becomes of a job that still runs', () => {
  const running = [job('before')];
  assert.ok(plan(cronJob({ concurrencyPolicy: 'Allow' }), running, '00:10:00').start);
  const forbid = plan(cronJob({ concurrencyPolicy: 'Forbid' }), running, '00:10:00');
  assert.equal(forbid.start, undefined);
  assert.equal(forbid.events[0]?.reason, 'JobAlreadyActive');
  const replace = plan(cronJob({ concurrencyPolicy: 'Replace' }), running, '00:10:00');
  assert.ok(replace.start);
  assert.deepEqual(names(replace.replaced), ['before']);
});

test('only the last jobs stay', () => {
  const time = (minute: number) => `2026-01-01T00:0${minute}:00Z`;
  const ended = [1, 2, 3, 4].map((minute) => job(`good-${minute}`, 'Complete', time(minute)));
  const failed = [1, 2].map((minute) => job(`bad-${minute}`, 'Failed', time(minute)));
  assert.deepEqual(names(plan(cronJob(), [...ended, ...failed], '00:05:00').old), ['good-1', 'bad-1']);
});

test('the status lists what runs, and an event tells what has ended', () => {
  const before = cronJob();
  before.status = { active: [{ uid: 'one', name: 'one' }] };
  const { status, events } = plan(before, [job('one', 'Complete'), job('two')], '00:05:00');
  assert.deepEqual(
    status.active?.map(({ name }) => name),
    ['two'],
  );
  assert.equal(events[0]?.message, 'Saw completed job: one, condition: Complete');
  const gone = plan(before, [], '00:05:00').events;
  assert.deepEqual([gone[0]?.reason, gone[0]?.message], ['MissingJob', 'Active job went missing: one']);
});
