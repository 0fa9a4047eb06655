import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import type { EndpointSlice, Event, Pod } from '../src/api/types.ts';
import { nodeCgroup } from '../src/cluster/node.ts';
import { processesIn } from '../src/kernel/cgroup.ts';
import { podCgroup } from '../src/kubelet/resources.ts';
import { eventually, startCluster, type TestCluster } from './support/cluster.ts';
import { commandOf, machineState } from './support/machine.ts';

const name = 'pod-faults';
let cluster: TestCluster;
let pristine: string[];

before(async () => {
  pristine = await machineState(name);
  cluster = await startCluster(name, ['--nodes', '1']);
});

after(async () => {
  await cluster.down();
  assert.deepEqual(await machineState(name), pristine);
});

describe('in a pod', { concurrency: true }, () => {
  test('a container that is killed is started again at once, and tells of its end; then it is backed off', async () => {
    await run('killed', { command: ['sh', '-c', 'echo began; exec sleep 1000'] });
    await running('killed');
    await kill('killed');
    const status = await eventually('the container to be restarted', async () => {
      const found = await container('killed');
      return found?.restartCount === 1 && found.state?.running ? found : undefined;
    });
    assert.deepEqual([status.lastState?.terminated?.exitCode, status.lastState?.terminated?.reason], [137, 'Error']);
    assert.equal(await cluster.kubectl(['logs', 'killed', '--previous']), 'began\n');
    await kill('killed');
    await eventually(
      'the back-off',
      async () => (await container('killed'))?.state?.waiting?.reason === 'CrashLoopBackOff',
    );
    assert.match(
      (await container('killed'))?.state?.waiting?.message ?? '',
      /^back-off 10s restarting failed container=main/,
    );
    await eventHappened('killed', 'BackOff', /Back-off restarting failed container main in pod killed_default/);
    await eventually('the second restart', async () => (await container('killed'))?.restartCount === 2);
  });

  test('a container whose liveness probe fails is restarted', async () => {
    await run('sick', {
      command: ['sh', '-c', 'touch /tmp/well; exec sleep 1000'],
      livenessProbe: {
        exec: { command: ['cat', '/tmp/well'] },
        periodSeconds: 1,
        timeoutSeconds: 30,
        failureThreshold: 2,
        terminationGracePeriodSeconds: 1,
      },
    });
    await running('sick');
    await cluster.kubectl(['exec', 'sick', '--', 'rm', '/tmp/well']);
    await eventually(
      'the restart',
      async () => (await container('sick'))?.restartCount === 1 && (await container('sick'))?.ready,
    );
    await eventHappened('sick', 'Unhealthy', /^Liveness probe failed: cat: can't open '\/tmp\/well'/);
    await eventHappened('sick', 'Killing', /^Container main failed liveness probe, will be restarted$/);
  });

  test('a pod whose readiness probe fails leaves its Service at once, and comes back, without a restart', async () => {
    await run('shy', {
      command: ['sh', '-c', 'touch /tmp/open; exec sleep 1000'],
      readinessProbe: {
        exec: { command: ['cat', '/tmp/open'] },
        periodSeconds: 1,
        timeoutSeconds: 30,
        failureThreshold: 1,
      },
    });
    await cluster.kubectl(['expose', 'pod', 'shy', '--port=80']);
    await eventually('the endpoint', async () => (await ready('shy')).join() === 'true');
    await cluster.kubectl(['exec', 'shy', '--', 'rm', '/tmp/open']);
    await eventually('the endpoint to be unready', async () => (await ready('shy')).join() === 'false');
    await cluster.kubectl(['exec', 'shy', '--', 'touch', '/tmp/open']);
    await eventually('the endpoint to be ready again', async () => (await ready('shy')).join() === 'true');
    assert.equal((await container('shy'))?.restartCount, 0);
  });

  test('a container that takes more memory than its limit is reported as OOMKilled', async () => {
    await run(
      'greedy',
      { command: ['sh', '-c', 'tail /dev/zero'], resources: { limits: { memory: '16Mi' } } },
      { restartPolicy: 'Never' },
    );
    const state = await eventually('its end', async () => (await container('greedy'))?.state?.terminated);
    assert.deepEqual([state.reason, state.exitCode], ['OOMKilled', 137]);
    assert.equal((await pod('greedy')).status?.phase, 'Failed');
  });

  test('an image that cannot be pulled is told in the status and in events, and tried again', async () => {
    await run('imageless', { image: 'registry.invalid/nothing:1' });
    const waiting = await eventually(
      'the failure',
      async () =>
        (await container('imageless'))?.state?.waiting?.reason === 'ImagePullBackOff' &&
        (await container('imageless'))?.state?.waiting,
    );
    assert.match(waiting.message ?? '', /^Back-off pulling image "registry\.invalid\/nothing:1"/);
    await eventHappened('imageless', 'Pulling', /^Pulling image "registry\.invalid\/nothing:1"$/);
    await eventHappened('imageless', 'Failed', /^Failed to pull image "registry\.invalid\/nothing:1": /);
    await eventHappened('imageless', 'Failed', /^Error: ErrImagePull$/);
    assert.equal((await pod('imageless')).status?.phase, 'Pending');
    await cluster.kubectl(['set', 'image', 'pod/imageless', 'main=knit.dev/lab:1']);
    await eventually('it to run with an image that is there', async () => (await container('imageless'))?.ready);
  });

  test('a container whose ConfigMap is missing waits, says for what, and starts when it is there', async () => {
    await run('unfed', { envFrom: [{ configMapRef: { name: 'food' } }] });
    const waiting = await eventually('the reason', () => waitingWithMessage('unfed'));
    assert.equal(waiting.reason, 'CreateContainerConfigError');
    assert.match(waiting.message ?? '', /configmap "food" not found/);
    await cluster.kubectl(['create', 'configmap', 'food', '--from-literal=a=b']);
    await eventually('it to run', async () => (await container('unfed'))?.ready);
  });
});

async function run(pod: string, container: object, spec: object = {}): Promise<void> {
  await cluster.apply({
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name: pod, labels: { app: pod } },
    spec: {
      terminationGracePeriodSeconds: 1,
      containers: [{ name: 'main', image: 'knit.dev/lab:1', ...container }],
      ...spec,
    },
  });
}

/** Ends the container's first process from outside: inside nobody may. */
async function kill(name: string): Promise<void> {
  const cgroup = podCgroup(`${nodeCgroup(cluster.config.name, 'node-1')}/pods`, await pod(name));
  const pid = await eventually('its process', async () =>
    processesIn(cgroup).find((each) => /sleep 1000/.test(commandOf(each))),
  );
  process.kill(pid, 'SIGKILL');
}

async function running(pod: string): Promise<void> {
  await cluster.kubectl(['wait', '--for=condition=Ready', `pod/${pod}`, '--timeout=60s']);
}

async function pod(pod: string): Promise<Pod> {
  return await cluster.get<Pod>('pod', pod);
}

async function container(name: string) {
  return (await pod(name)).status?.containerStatuses?.[0];
}

async function waitingWithMessage(name: string) {
  const waiting = (await container(name))?.state?.waiting;
  return waiting?.message ? waiting : undefined;
}

/** Of each endpoint of a Service whether it is ready. */
async function ready(service: string): Promise<(boolean | undefined)[]> {
  const selector = `kubernetes.io/service-name=${service}`;
  const { items } = await cluster.get<{ items: EndpointSlice[] }>('endpointslices', '-l', selector);
  return items.flatMap(({ endpoints }) => endpoints ?? []).map(({ conditions }) => conditions?.ready);
}

async function eventHappened(pod: string, reason: string, message: RegExp): Promise<void> {
  await eventually(`the event ${reason} ${message}`, async () => {
    const selector = `involvedObject.name=${pod},reason=${reason}`;
    const { items } = await cluster.get<{ items: Event[] }>('events', '--field-selector', selector);
    return items.some((event) => message.test(event.message ?? ''));
  });
}
