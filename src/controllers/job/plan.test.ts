import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Job, Pod } from '../../api/types.ts';
import { failuresBefore } from './failure-policy.ts';
import { formatIndexes, INDEX, indexOf, parseIndexes } from './indexes.ts';
import { outcomeOf } from './outcome.ts';
import { planJob } from './plan.ts';
import { FINALIZER, track } from './tracking.ts';

type Spec = Partial<NonNullable<Job['spec']>>;

const job = (spec: Spec = {}): Job => ({
  metadata: { name: 'work', namespace: 'default', uid: 'job' },
  spec: { completionMode: 'Indexed', parallelism: 2, completions: 3, ...spec, template: { spec: { containers: [] } } },
});

interface Shape {
  readonly phase?: 'Running' | 'Succeeded' | 'Failed';
  readonly exitCode?: number;
  readonly failures?: number;
  readonly condition?: string;
  readonly isEnding?: boolean;
  readonly agoMs?: number;
}

let serial = 0;

function pod(
  index: number,
  { phase = 'Running', exitCode, failures, condition, isEnding, agoMs = 1e9 }: Shape = {},
): Pod {
  const finishedAt = new Date(Date.now() - agoMs).toISOString();
  const state =
    phase === 'Running' ? {} : { terminated: { exitCode: exitCode ?? (phase === 'Failed' ? 1 : 0), finishedAt } };
  const counted: Record<string, string> =
    failures === undefined ? {} : { 'batch.kubernetes.io/job-index-failure-count': String(failures) };
  return {
    metadata: {
      name: `work-${index}-${++serial}`,
      namespace: 'default',
      uid: `uid-${serial}`,
      annotations: { [INDEX]: String(index), ...counted },
      finalizers: [FINALIZER],
      creationTimestamp: new Date(1e12 + serial * 1000).toISOString(),
      ...(isEnding ? { deletionTimestamp: finishedAt } : {}),
    },
    status: {
      phase,
      conditions: condition ? [{ type: condition, status: 'True' }] : [],
      containerStatuses: [{ name: 'main', image: '', imageID: '', ready: false, restartCount: 0, state }],
    },
  };
}

const starts = (of: Job, all: readonly Pod[]): (number | undefined)[] =>
  planJob(of, track(of, {}, all).status, all, Date.now()).create.map(indexOf);

const outcome = (of: Job, all: readonly Pod[]) => {
  const active = all.filter(({ status }) => status?.phase === 'Running');
  const found = outcomeOf(of, track(of, {}, all).status, all, active, Date.now());
  return found && `${found.type} ${found.reason}: ${found.message}`;
};

test('indexes are written as ranges, and read again', () => {
  const text = '1,3-5,7,9,10';
  assert.equal(formatIndexes(parseIndexes(text)), text);
  assert.equal(formatIndexes(new Set()), undefined);
});

test('each index has one pod, the lowest first, as many as may run', () => {
  assert.deepEqual(starts(job(), []), [0, 1]);
  assert.deepEqual(starts(job(), [pod(0)]), [1]);
  assert.deepEqual(starts(job(), [pod(0, { phase: 'Succeeded' }), pod(1)]), [2]);
});

test('a second pod of an index, and one of no index, are too many', () => {
  const all = [pod(0), pod(0), pod(7)];
  const { remove } = planJob(job(), {}, all, Date.now());
  assert.deepEqual(remove.map(indexOf).sort(), [0, 7]);
});

test('a pod knows its index by its name, a variable and a label', () => {
  const withContainer = job();
  withContainer.spec!.template.spec!.containers = [{ name: 'main' }];
  const [first] = planJob(withContainer, {}, [], Date.now()).create;
  assert.equal(first?.metadata?.generateName, 'work-0-');
  assert.equal(first?.spec?.hostname, 'work-0');
  assert.equal(first?.metadata?.labels?.[INDEX], '0');
  assert.equal(first?.spec?.containers[0]?.env?.[0]?.name, 'JOB_COMPLETION_INDEX');
});

test('an index that failed is tried again after a pause', () => {
  assert.deepEqual(starts(job({ parallelism: 1 }), [pod(0, { phase: 'Failed', agoMs: 1_000 })]), []);
  assert.deepEqual(starts(job({ parallelism: 1 }), [pod(0, { phase: 'Failed', agoMs: 11_000 })]), [0]);
});

test('with backoffLimitPerIndex one index fails without the others, and its count goes from pod to pod', () => {
  const limited = job({ backoffLimitPerIndex: 1, completions: 2, backoffLimit: 100 });
  const first = pod(0, { phase: 'Failed', failures: 0 });
  assert.equal(track(limited, {}, [first]).release.length, 0, 'it is kept for its count');
  const [next] = planJob(limited, {}, [first, pod(1)], Date.now()).create;
  assert.equal(next && failuresBefore(next), 1);
  const second = pod(0, { phase: 'Failed', failures: 1 });
  const { status } = track(limited, {}, [second, pod(1)]);
  assert.equal(status.failedIndexes, '0');
  assert.deepEqual(starts(limited, [second, pod(1)]), []);
  assert.equal(outcome(limited, [second, pod(1)]), undefined);
  assert.equal(
    outcome(limited, [second, pod(1, { phase: 'Succeeded' })]),
    'Failed FailedIndexes: Job has failed indexes',
  );
});

test('a job fails when too many indexes have', () => {
  const limited = job({ backoffLimitPerIndex: 0, maxFailedIndexes: 1, backoffLimit: 100 });
  const failed = (index: number) => pod(index, { phase: 'Failed', failures: 0 });
  assert.equal(outcome(limited, [failed(0)]), undefined);
  assert.match(outcome(limited, [failed(0), failed(1)]) ?? '', /^Failed MaxFailedIndexesExceeded/);
});

test('a rule on an exit code fails the job at once', () => {
  const onExitCodes = { containerName: 'main', operator: 'In', values: [42] };
  const strict = job({ podFailurePolicy: { rules: [{ action: 'FailJob', onExitCodes }] } });
  assert.equal(outcome(strict, [pod(0, { phase: 'Failed', exitCode: 1 })]), undefined);
  const fatal = pod(0, { phase: 'Failed', exitCode: 42 });
  assert.equal(
    outcome(strict, [fatal]),
    `Failed PodFailurePolicy: Container main for pod default/${fatal.metadata?.name} failed with exit code 42 matching FailJob rule at index 0`,
  );
});

test('a rule on a condition makes a disruption not count', () => {
  const onPodConditions = [{ type: 'DisruptionTarget', status: 'True' }];
  const patient = job({ backoffLimit: 0, podFailurePolicy: { rules: [{ action: 'Ignore', onPodConditions }] } });
  const evicted = pod(0, { phase: 'Failed', condition: 'DisruptionTarget' });
  assert.equal(outcome(patient, [evicted]), undefined);
  const { status, release } = track(patient, {}, [evicted]);
  assert.equal(status.uncountedTerminatedPods?.failed, undefined);
  assert.deepEqual(release, [evicted]);
  assert.match(outcome(patient, [pod(0, { phase: 'Failed' })]) ?? '', /^Failed BackoffLimitExceeded/);
});

test('a success policy ends the job before all indexes are done', () => {
  const done = (index: number) => pod(index, { phase: 'Succeeded' });
  const leader = job({ successPolicy: { rules: [{ succeededIndexes: '0' }] } });
  assert.equal(outcome(leader, [done(1)]), undefined);
  assert.equal(outcome(leader, [done(0), pod(1)]), 'Complete SuccessPolicy: Matched rules at index 0');
  const anyTwo = job({ successPolicy: { rules: [{ succeededCount: 2 }] } });
  assert.equal(outcome(anyTwo, [done(1)]), undefined);
  assert.match(outcome(anyTwo, [done(1), done(2)]) ?? '', /^Complete/);
});

test('with podReplacementPolicy Failed, a pod is replaced only when it has ended', () => {
  const ending = pod(0, { isEnding: true });
  assert.deepEqual(starts(job({ parallelism: 1 }), [ending]), [0]);
  assert.deepEqual(starts(job({ parallelism: 1, podReplacementPolicy: 'Failed' }), [ending]), []);
});
