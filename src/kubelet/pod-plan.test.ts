import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Container, Pod } from '../api/types.ts';
import { ContainerStatus, containerState, PodSandbox } from './cri/messages.ts';
import { containerHash } from './labels.ts';
import { type PodPlan, type ProbeVerdicts, planPod } from './pod-plan.ts';
import type { ContainerRecord, PodRuntime } from './pod-runtime.ts';

const calm: ProbeVerdicts = { started: () => true, ready: () => true, failed: () => undefined };

const podOf = (spec: Partial<NonNullable<Pod['spec']>>): Pod => ({
  metadata: { name: 'web', uid: 'u' },
  spec: { containers: [{ name: 'main', image: 'i' }], ...spec },
});

type Ran = readonly [name: string, state: 'running' | 'exited', exitCode?: number, image?: string];

/** What the runtime holds: a ready sandbox, and these starts in it, the newest first. */
function runtimeWith(...ran: readonly Ran[]): PodRuntime {
  const sandbox = PodSandbox.decode(PodSandbox.encode({ id: 'box', metadata: { attempt: 0 } }));
  const containers = ran.map(([name, state, exitCode = 0, image = 'i'], index): ContainerRecord => {
    const written = ContainerStatus.encode({ id: `${index}`, state: containerState[state], exitCode });
    const status = ContainerStatus.decode(written);
    const hash = containerHash({ name, image });
    return { id: `${index}`, name, sandboxId: 'box', restartCount: 0, hash, state, status };
  });
  return { uid: 'u', sandboxes: [sandbox], containers, podIPs: ['10.0.0.2'] };
}

const starts = (plan: PodPlan) => (plan.kind === 'run' ? plan.start.map(({ name }) => name) : plan.kind);
const kills = (plan: PodPlan) => (plan.kind === 'run' ? plan.kill.map(({ message }) => message) : plan.kind);
const init = (name: string, more: Partial<Container> = {}): Container => ({ name, image: 'i', ...more });

test('without a sandbox one is made, and counted', () => {
  const none = { uid: 'u', sandboxes: [], containers: [], podIPs: [] };
  assert.deepEqual(planPod(podOf({}), none, calm), { kind: 'create-sandbox', attempt: 0 });
  const dead = { ...runtimeWith(), podIPs: [] };
  assert.deepEqual(planPod(podOf({}), dead, calm), { kind: 'create-sandbox', attempt: 1 });
  assert.deepEqual(starts(planPod(podOf({ hostNetwork: true }), dead, calm)), ['main']);
});

test('init containers run one after the other, before the others', () => {
  const pod = podOf({ initContainers: [init('a'), init('b')] });
  assert.deepEqual(starts(planPod(pod, runtimeWith(), calm)), ['a']);
  assert.deepEqual(starts(planPod(pod, runtimeWith(['a', 'running']), calm)), []);
  assert.deepEqual(starts(planPod(pod, runtimeWith(['a', 'exited']), calm)), ['b']);
  assert.deepEqual(starts(planPod(pod, runtimeWith(['a', 'exited', 1]), calm)), ['a']);
  assert.deepEqual(starts(planPod(pod, runtimeWith(['b', 'exited'], ['a', 'exited']), calm)), ['main']);
});

test('a failed init container ends a pod that never restarts', () => {
  const pod = podOf({ restartPolicy: 'Never', initContainers: [init('a')] });
  assert.equal(planPod(pod, runtimeWith(['a', 'exited', 1]), calm).kind, 'finished');
});

test('a sidecar is waited for until it has started, and runs beside the others', () => {
  const pod = podOf({ initContainers: [init('side', { restartPolicy: 'Always' }), init('a')] });
  assert.deepEqual(starts(planPod(pod, runtimeWith(), calm)), ['side']);
  const starting = { ...calm, started: () => false };
  assert.deepEqual(starts(planPod(pod, runtimeWith(['side', 'running']), starting)), []);
  assert.deepEqual(starts(planPod(pod, runtimeWith(['side', 'running']), calm)), ['a']);
  const running = runtimeWith(['main', 'running'], ['a', 'exited'], ['side', 'exited', 1]);
  assert.deepEqual(starts(planPod(pod, running, calm)), ['side']);
});

test('the restart policy decides about what has ended', () => {
  const planFor = (restartPolicy: string, exitCode: number) =>
    starts(planPod(podOf({ restartPolicy }), runtimeWith(['main', 'exited', exitCode]), calm));
  assert.deepEqual(planFor('Always', 0), ['main']);
  assert.deepEqual(planFor('OnFailure', 1), ['main']);
  assert.deepEqual(planFor('OnFailure', 0), 'finished');
  assert.deepEqual(planFor('Never', 1), 'finished');
});

test('a container’s own restart policy and rules come before the pod’s', () => {
  const planFor = (restartPolicy: string, container: Partial<Container>, exitCode: number) =>
    starts(
      planPod(
        podOf({ restartPolicy, containers: [init('main', container)] }),
        runtimeWith(['main', 'exited', exitCode]),
        calm,
      ),
    );
  const rules = [{ action: 'Restart', exitCodes: { operator: 'NotIn', values: [0, 1] } }];
  assert.deepEqual(planFor('Never', { restartPolicy: 'Always' }, 0), ['main']);
  assert.deepEqual(planFor('Always', { restartPolicy: 'Never' }, 1), 'finished');
  assert.deepEqual(planFor('Never', { restartPolicy: 'Never', restartPolicyRules: rules }, 42), ['main']);
  assert.deepEqual(planFor('Never', { restartPolicy: 'Never', restartPolicyRules: rules }, 1), 'finished');
  const first = podOf({ restartPolicy: 'Never', initContainers: [init('a', { restartPolicy: 'OnFailure' })] });
  assert.deepEqual(starts(planPod(first, runtimeWith(['a', 'exited', 1]), calm)), ['a']);
});

test('all containers go when a rule asks for it, the one that has asked last', () => {
  const restartPolicyRules = [{ action: 'RestartAllContainers', exitCodes: { operator: 'In', values: [42] } }];
  const asking = init('main', { restartPolicy: 'Never', restartPolicyRules });
  const pod = podOf({ restartPolicy: 'Never', initContainers: [init('a')], containers: [asking, init('other')] });
  const plan = planPod(pod, runtimeWith(['main', 'exited', 42], ['other', 'running'], ['a', 'exited']), calm);
  assert.deepEqual(plan.kind === 'restart-all' && plan.remove.map(({ name }) => name), ['other', 'a', 'main']);
  assert.equal(
    planPod(pod, runtimeWith(['main', 'exited', 1], ['other', 'running'], ['a', 'exited']), calm).kind,
    'run',
  );
});

test('a pod with one container left to run is not finished', () => {
  const pod = podOf({ restartPolicy: 'Never', containers: [init('main'), init('other')] });
  assert.deepEqual(starts(planPod(pod, runtimeWith(['main', 'exited']), calm)), ['other']);
  assert.deepEqual(starts(planPod(pod, runtimeWith(['other', 'running'], ['main', 'exited']), calm)), []);
});

test('a container whose probe has given it up, or whose image changed, is replaced', () => {
  const failed = { ...calm, failed: () => 'liveness' as const };
  const running = runtimeWith(['main', 'running']);
  const plan = planPod(podOf({}), running, failed);
  assert.deepEqual(kills(plan), ['Container main failed liveness probe, will be restarted']);
  assert.deepEqual(starts(plan), ['main']);
  const never = planPod(podOf({ restartPolicy: 'Never' }), running, failed);
  assert.deepEqual(kills(never), ['Container main failed liveness probe']);
  assert.deepEqual(starts(never), []);
  const older = runtimeWith(['main', 'running', 0, 'older']);
  assert.deepEqual(kills(planPod(podOf({}), older, calm)), ['Container main definition changed, will be restarted']);
});
