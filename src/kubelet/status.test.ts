import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Pod } from '../api/types.ts';
import { ContainerStatus, containerState, PodSandbox } from './cri/messages.ts';
import type { ContainerRecord, PodRuntime } from './pod-runtime.ts';
import { podStatus, type StatusInput } from './status.ts';

type Ran = { readonly state: 'running' | 'exited'; readonly exitCode?: number; readonly reason?: string };

const SECOND = 1_000_000_000;

function runtimeWith(...starts: readonly Ran[]): PodRuntime {
  const sandbox = PodSandbox.decode(PodSandbox.encode({ id: 'box' }));
  const containers = starts.map(({ state, exitCode = 0, reason = '' }, index): ContainerRecord => {
    const times = { startedAt: 10 * SECOND, finishedAt: 20 * SECOND };
    const written = ContainerStatus.encode({
      id: `${index}`,
      state: containerState[state],
      exitCode,
      reason,
      ...times,
    });
    const restartCount = starts.length - 1 - index;
    return {
      id: `${index}`,
      name: 'c',
      sandboxId: 'box',
      restartCount,
      hash: '',
      state,
      status: ContainerStatus.decode(written),
    };
  });
  return { uid: 'u', sandboxes: [sandbox], containers, podIPs: ['10.0.0.2'] };
}

function statusOf(runtime: PodRuntime, spec: Partial<NonNullable<Pod['spec']>> = {}, more: Partial<StatusInput> = {}) {
  return podStatus({
    resize: { givenTo: () => undefined, progress: () => undefined },
    pod: { metadata: { name: 'web', generation: 3 }, spec: { containers: [{ name: 'c', image: 'i' }], ...spec } },
    runtime,
    probes: { started: () => true, ready: () => true, failed: () => undefined },
    waiting: new Map(),
    removed: new Map(),
    messages: new Map(),
    hostIPs: ['10.89.0.11'],
    now: '2026-01-31T12:00:00Z',
    began: '2026-01-31T12:00:00Z',
    terminated: false,
    ...more,
  });
}

const condition = (status: ReturnType<typeof statusOf>, type: string) =>
  status.conditions?.find((found) => found.type === type);

test('a pod is Pending until each container was started once, and Running afterwards', () => {
  assert.equal(statusOf(runtimeWith()).phase, 'Pending');
  assert.equal(statusOf(runtimeWith()).containerStatuses?.[0]?.state?.waiting?.reason, 'ContainerCreating');
  assert.equal(statusOf(runtimeWith({ state: 'running' })).phase, 'Running');
  assert.equal(statusOf(runtimeWith({ state: 'exited', exitCode: 1 })).phase, 'Running');
});

test('what has ended for good is Succeeded or Failed', () => {
  const failed = runtimeWith({ state: 'exited', exitCode: 1 });
  const succeeded = runtimeWith({ state: 'exited' });
  assert.equal(statusOf(failed, { restartPolicy: 'Never' }).phase, 'Failed');
  assert.equal(statusOf(failed, { restartPolicy: 'OnFailure' }).phase, 'Running');
  assert.equal(statusOf(succeeded, { restartPolicy: 'OnFailure' }).phase, 'Succeeded');
  assert.equal(statusOf(succeeded).phase, 'Running');
  assert.equal(statusOf(failed, {}, { terminated: true }).phase, 'Failed');
});

test('a container whose own policy or rule starts it again keeps its pod Running', () => {
  const failed = runtimeWith({ state: 'exited', exitCode: 42 });
  const phase = (container: object) =>
    statusOf(failed, { restartPolicy: 'Never', containers: [{ name: 'c', ...container }] }).phase;
  const rule = (value: number) => [{ action: 'Restart', exitCodes: { operator: 'In', values: [value] } }];
  assert.equal(phase({ restartPolicy: 'OnFailure' }), 'Running');
  assert.equal(phase({ restartPolicy: 'Never', restartPolicyRules: rule(42) }), 'Running');
  assert.equal(phase({ restartPolicy: 'Never', restartPolicyRules: rule(1) }), 'Failed');
  assert.equal(statusOf(failed, { containers: [{ name: 'c', restartPolicy: 'Never' }] }).phase, 'Failed');
});

test('a container that was removed so that all start anew waits, and is counted', () => {
  const rules = [{ action: 'RestartAllContainers', exitCodes: { operator: 'In', values: [42] } }];
  const spec = {
    restartPolicy: 'Never',
    containers: [{ name: 'c', restartPolicy: 'Never', restartPolicyRules: rules }],
  };
  const before = statusOf(runtimeWith({ state: 'exited', exitCode: 42 }), spec);
  assert.equal(condition(before, 'AllContainersRestarting')?.status, 'True');
  assert.equal(before.phase, 'Running');
  const lastState = { terminated: { exitCode: 137, reason: 'RestartingAllContainers' } };
  const removed = new Map([['c', { restartCount: 1, lastState }]]);
  const status = statusOf(runtimeWith(), spec, { removed });
  assert.equal(status.phase, 'Running');
  assert.equal(condition(status, 'AllContainersRestarting')?.status, 'False');
  assert.equal(status.containerStatuses?.[0]?.restartCount, 1);
  assert.equal(status.containerStatuses?.[0]?.state?.waiting?.reason, 'RestartingAllContainers');
  const [again] = statusOf(runtimeWith({ state: 'running' }), spec, { removed }).containerStatuses ?? [];
  assert.deepEqual(again?.lastState, lastState);
});

test('a restarted container shows how it ended before', () => {
  const [status] =
    statusOf(runtimeWith({ state: 'running' }, { state: 'exited', exitCode: 137, reason: 'OOMKilled' }))
      .containerStatuses ?? [];
  assert.equal(status?.restartCount, 1);
  assert.equal(status?.state?.running?.startedAt, '1970-01-01T00:00:10Z');
  assert.equal(status?.lastState?.terminated?.reason, 'OOMKilled');
  assert.equal(status?.lastState?.terminated?.containerID, 'containerd://1');
});

test('a container that is backed off waits, and its end moves to lastState', () => {
  const waiting = new Map([['c', { reason: 'CrashLoopBackOff', message: 'back-off 10s' }]]);
  const [status] = statusOf(runtimeWith({ state: 'exited', exitCode: 2 }), {}, { waiting }).containerStatuses ?? [];
  assert.equal(status?.state?.waiting?.reason, 'CrashLoopBackOff');
  assert.equal(status?.lastState?.terminated?.exitCode, 2);
});

test('conditions keep the time of their last change, and others’ conditions stay', () => {
  const before = statusOf(runtimeWith({ state: 'running' }));
  const gate = { type: 'example.com/gate', status: 'True' };
  const pod: Pod = {
    metadata: { name: 'web' },
    spec: { containers: [{ name: 'c' }], readinessGates: [{ conditionType: gate.type }] },
    status: { ...before, conditions: [...(before.conditions ?? []), gate] },
  };
  const later = statusOf(runtimeWith({ state: 'running' }), {}, { pod, now: '2026-01-31T13:00:00Z' });
  assert.equal(condition(later, 'Ready')?.lastTransitionTime, '2026-01-31T12:00:00Z');
  assert.equal(condition(later, 'Ready')?.status, 'True');
  assert.deepEqual(condition(later, gate.type), gate);
});

test('a pod is not Ready while a container or a readiness gate is not', () => {
  const probes = { started: () => true, ready: () => false, failed: () => undefined };
  const unready = condition(statusOf(runtimeWith({ state: 'running' }), {}, { probes }), 'Ready');
  assert.deepEqual([unready?.reason, unready?.message], ['ContainersNotReady', 'containers with unready status: [c]']);
  const gated = statusOf(runtimeWith({ state: 'running' }), {
    readinessGates: [{ conditionType: 'example.com/gate' }],
  });
  assert.equal(condition(gated, 'ContainersReady')?.status, 'True');
  assert.equal(condition(gated, 'Ready')?.reason, 'ReadinessGatesNotReady');
});

test('the status tells for which generation it holds', () => {
  const status = statusOf(runtimeWith({ state: 'running' }));
  assert.equal(status.observedGeneration, 3);
  for (const type of ['Initialized', 'Ready', 'ContainersReady', 'PodScheduled']) {
    assert.equal(condition(status, type)?.observedGeneration, 3, type);
  }
});
