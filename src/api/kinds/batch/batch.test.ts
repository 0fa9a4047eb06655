import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Job, JobSpec } from '../../types.ts';
import { created, errorsOf, rowOf, updateErrorsOf } from '../testing.ts';
import { cronJob } from './cron-job.ts';
import { job } from './job.ts';
import { scheduleError } from './schedule.ts';

const spec = (more: Partial<JobSpec> = {}): JobSpec => ({
  template: { spec: { restartPolicy: 'Never', containers: [{ name: 'pi', image: 'perl:5' }] } },
  ...more,
});
const pi = (more: Partial<JobSpec> = {}): Job => ({
  metadata: { name: 'pi', namespace: 'default', uid: 'u-1' },
  spec: spec(more),
});

test('a job knows its pods by its own uid', () => {
  const object = created(job, pi());
  const labels = {
    'batch.kubernetes.io/controller-uid': 'u-1',
    'controller-uid': 'u-1',
    'batch.kubernetes.io/job-name': 'pi',
    'job-name': 'pi',
  };
  assert.deepEqual(object.spec?.template.metadata?.labels, labels);
  assert.deepEqual(object.spec?.selector, { matchLabels: { 'batch.kubernetes.io/controller-uid': 'u-1' } });
  assert.deepEqual(job.validate?.(object, undefined), []);
  const { parallelism, completions, backoffLimit, completionMode } = object.spec ?? {};
  assert.deepEqual([parallelism, completions, backoffLimit, completionMode], [1, 1, 6, 'NonIndexed']);
});

test('the pods of a job end', () => {
  const always = pi();
  delete always.spec!.template.spec!.restartPolicy;
  assert.deepEqual(errorsOf(job, always), [
    'spec.template.spec.restartPolicy: Required value: valid values: "OnFailure", "Never"',
  ]);
});

test('the template of a job stays', () => {
  const change = (object: Job) => (object.spec!.template.spec!.containers[0]!.image = 'perl:6');
  const [message = ''] = updateErrorsOf(job, created(job, pi()), change);
  assert.match(message, /^spec\.template: Invalid value: .*: field is immutable$/);
});

test('of a suspended job with no pods left can still be said what they ask for and where they may stand', () => {
  const change = (object: Job) => {
    const { template } = object.spec!;
    template.metadata!.annotations = { queue: 'night' };
    template.spec!.containers[0]!.resources = { requests: { cpu: '2' } };
    template.spec!.nodeSelector = { disk: 'fast' };
    template.spec!.affinity = { nodeAffinity: {} };
  };
  const paused = (status: Job['status']) => ({ ...created(job, pi({ suspend: true })), status });
  const conditions = [{ type: 'Suspended', status: 'True' }];
  const startTime = '1970-01-01T00:00:00Z';
  for (const status of [{}, { startTime, conditions }])
    assert.deepEqual(updateErrorsOf(job, paused(status), change), []);
  for (const status of [{ startTime }, { conditions, active: 1 }]) {
    assert.match(updateErrorsOf(job, paused(status), change)[0] ?? '', /^spec\.template: .*field is immutable$/);
  }
  const others = (object: Job) => (object.spec!.template.spec!.affinity = { podAffinity: {} });
  assert.match(updateErrorsOf(job, paused({}), others)[0] ?? '', /field is immutable$/);
  const image = (object: Job) => (object.spec!.template.spec!.containers[0]!.image = 'perl:6');
  assert.match(updateErrorsOf(job, paused({}), image)[0] ?? '', /field is immutable$/);
});

test('a row shows how far the job is', () => {
  const object = created(job, pi({ completions: 3 }));
  object.status = { succeeded: 1, startTime: '1970-01-01T00:00:00Z' };
  const running = rowOf(job, object, 30_000);
  assert.deepEqual([running.Status, running.Completions, running.Duration], ['Running', '1/3', '30s']);
  object.status.conditions = [{ type: 'Complete', status: 'True' }];
  object.status.completionTime = '1970-01-01T00:00:12Z';
  const done = rowOf(job, object, 30_000);
  assert.deepEqual([done.Status, done.Duration], ['Complete', '12s']);
});

test('schedules are told from what is none', () => {
  for (const right of ['* * * * *', '*/5 0-6 1,15 jan-mar mon', '@hourly', '@every 1h30m']) {
    assert.equal(scheduleError(right), undefined, right);
  }
  for (const wrong of [
    '',
    '* * * *',
    '60 * * * *',
    '* 24 * * *',
    '* * 0 * *',
    '5-1 * * * *',
    '*/0 * * * *',
    '@never',
  ]) {
    assert.equal(typeof scheduleError(wrong), 'string', wrong);
  }
});

test('a cron job gets its defaults, and a wrong schedule is refused', () => {
  const metadata = { name: 'tick', namespace: 'default' };
  const object = created(cronJob, { metadata, spec: { schedule: '* * * * *', jobTemplate: { spec: spec() } } });
  assert.deepEqual(cronJob.validate?.(object, undefined), []);
  const { concurrencyPolicy, suspend, successfulJobsHistoryLimit, failedJobsHistoryLimit } = object.spec ?? {};
  assert.deepEqual(
    [concurrencyPolicy, suspend, successfulJobsHistoryLimit, failedJobsHistoryLimit],
    ['Allow', false, 3, 1],
  );
  assert.deepEqual(errorsOf(cronJob, { metadata, spec: { schedule: 'often', jobTemplate: { spec: spec() } } }), [
    'spec.schedule: Invalid value: "often": expected exactly 5 fields, found 1: [often]',
  ]);
});
