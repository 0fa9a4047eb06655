import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import type { Event, HorizontalPodAutoscaler, Pod } from '../src/api/types.ts';
import { waitFor } from '../src/base/wait.ts';
import { eventually, startCluster, type TestCluster } from './support/cluster.ts';
import { machineState } from './support/machine.ts';

const name = 'pod-features';
let cluster: TestCluster;
let pristine: string[];

before(async () => {
  pristine = await machineState(name);
  cluster = await startCluster(name, ['--nodes', '1', '--uplink', 'none']);
});

after(async () => {
  await cluster.down();
  assert.deepEqual(await machineState(name), pristine);
});

describe('a pod', { concurrency: true }, () => {
  test('is ready while its gRPC health service says so', async () => {
    await run('grpc', { readinessProbe: { grpc: { port: 9000 }, periodSeconds: 1, failureThreshold: 1 } });
    await eventually('it to run', async () => (await pod('grpc')).status?.phase === 'Running');
    assert.equal(await readiness('grpc'), 'False');
    const program = join(import.meta.dirname, 'support/grpc-health.ts');
    const server = spawn(
      join(import.meta.dirname, '../bin/knit'),
      ['exec', '--name', name, 'pod/grpc', '--', process.execPath, program, '9000'],
      { stdio: ['ignore', 'ignore', 'inherit'] },
    );
    try {
      await eventually('it to be ready', async () => (await readiness('grpc')) === 'True');
    } finally {
      const ended = once(server, 'exit');
      server.kill('SIGTERM');
      await ended;
    }
    await eventually('it to be unready', async () => (await readiness('grpc')) === 'False');
  });

  test('with a readiness gate is ready when somebody has opened it', async () => {
    await run('gated', {}, { readinessGates: [{ conditionType: 'example.com/door' }] });
    await eventually('it to run', async () => (await pod('gated')).status?.phase === 'Running');
    const ready = (await pod('gated')).status?.conditions?.find(({ type }) => type === 'Ready');
    assert.deepEqual([ready?.status, ready?.reason], ['False', 'ReadinessGatesNotReady']);
    const open = { status: { conditions: [{ type: 'example.com/door', status: 'True' }] } };
    await cluster.kubectl(['patch', 'pod', 'gated', '--subresource=status', '-p', JSON.stringify(open)]);
    await eventually('it to be ready', async () => (await readiness('gated')) === 'True');
  });

  test('of a RuntimeClass runs with its handler and pays its overhead; a handler that is not there is told of', async () => {
    const runtimeClass = (metadata: { name: string }, handler: string) => ({
      apiVersion: 'node.k8s.io/v1',
      kind: 'RuntimeClass',
      metadata,
      handler,
      overhead: { podFixed: { memory: '16Mi' } },
    });
    await cluster.apply(runtimeClass({ name: 'usual' }, 'runc'), runtimeClass({ name: 'strange' }, 'none-such'));
    await run('usual', {}, { runtimeClassName: 'usual' });
    await run('strange', {}, { runtimeClassName: 'strange' });
    await eventually('it to be ready', async () => (await readiness('usual')) === 'True');
    assert.deepEqual((await pod('usual')).spec?.overhead, { memory: '16Mi' });
    await eventually('the failure', async () => {
      const messages = await messagesOf('strange', 'FailedCreatePodSandBox');
      return messages.some((message) => /no runtime for "none-such" is configured/.test(message ?? ''));
    });
  });

  test('sees what changes in its config map, as a whole, and what it has mounted by subPath stays', async () => {
    await cluster.kubectl(['create', 'configmap', 'menu', '--from-literal=dish=soup']);
    const mounts = [
      { name: 'menu', mountPath: '/menu' },
      { name: 'menu', mountPath: '/dish', subPath: 'dish' },
    ];
    await run('eater', { volumeMounts: mounts }, { volumes: [{ name: 'menu', configMap: { name: 'menu' } }] });
    await eventually('it to be ready', async () => (await readiness('eater')) === 'True');
    const patch = JSON.stringify({ data: { dish: 'stew' } });
    await cluster.kubectl(['patch', 'configmap', 'menu', '-p', patch]);
    // A kubelet looks every minute, and at once where the pod itself has changed.
    await cluster.kubectl(['annotate', 'pod', 'eater', 'look=now']);
    const file = (path: string) => cluster.kubectl(['exec', 'eater', '--', 'cat', path]);
    await eventually('the new dish', async () => (await file('/menu/dish')) === 'stew');
    assert.equal(await file('/dish'), 'soup');
  });

  test('is joined by others when a HorizontalPodAutoscaler sees that it has too much to do, until it has not', async () => {
    await cluster.apply({
      apiVersion: 'apps/v1',
      kind: 'Deployment',
      metadata: { name: 'busy' },
      spec: {
        selector: { matchLabels: { app: 'busy' } },
        template: {
          metadata: { labels: { app: 'busy' } },
          spec: {
            terminationGracePeriodSeconds: 1,
            containers: [
              {
                name: 'main',
                image: 'knit.dev/lab:1',
                command: ['sh', '-c', 'while [ ! -e /tmp/enough ]; do :; done; sleep 1000'],
                resources: { requests: { cpu: '20m' }, limits: { cpu: '50m' } },
              },
            ],
          },
        },
      },
    });
    await cluster.kubectl(['autoscale', 'deployment', 'busy', '--cpu=50%', '--min=1', '--max=2']);
    const isJoined = async () =>
      (await cluster.kubectl(['get', 'deployment', 'busy', '-o', 'jsonpath={.spec.replicas}'])) === '2';
    // A pod has to run for a while until it is known how much it uses, and looks are 15 s apart.
    await waitFor(isJoined, { what: 'a second pod', timeoutMs: 180_000, intervalMs: 500 });
    await eventually('the event', async () => {
      const messages = await messagesOf('busy', 'SuccessfulRescale');
      return messages.includes('New size: 2; reason: cpu resource utilization (percentage of request) above target');
    });
    const behavior = { scaleDown: { stabilizationWindowSeconds: 50 } };
    await cluster.kubectl(['patch', 'hpa', 'busy', '--type=merge', '-p', JSON.stringify({ spec: { behavior } })]);
    await cluster.kubectl(['rollout', 'status', 'deployment/busy', '--timeout=110s']);
    const { items } = await cluster.get<{ items: Pod[] }>('pods', '-l', 'app=busy');
    for (const { metadata } of items) {
      await cluster.kubectl(['exec', metadata?.name ?? '', '--', 'touch', '/tmp/enough']);
    }
    await eventually('it to wait whether the calm lasts', async () => {
      const { status } = await cluster.get<HorizontalPodAutoscaler>('hpa', 'busy');
      const able = status?.conditions?.find(({ type }) => type === 'AbleToScale');
      assert.equal(status?.desiredReplicas, 2);
      return able?.reason === 'ScaleDownStabilized';
    });
    const isCalm = async () =>
      (await messagesOf('busy', 'SuccessfulRescale')).includes('New size: 1; reason: All metrics below target');
    // A window of 50 s, and as often as every 15 s a look at what the pods use.
    await waitFor(isCalm, { what: 'one pod again', timeoutMs: 180_000, intervalMs: 500 });
  });
});

async function run(pod: string, container: object = {}, spec: object = {}): Promise<void> {
  const main = { name: 'main', image: 'knit.dev/lab:1', command: ['sleep', '1000'], ...container };
  await cluster.apply({
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name: pod },
    spec: { terminationGracePeriodSeconds: 1, containers: [main], ...spec },
  });
}

const pod = (name: string): Promise<Pod> => cluster.get<Pod>('pod', name);

async function readiness(name: string): Promise<string | undefined> {
  return (await pod(name)).status?.conditions?.find(({ type }) => type === 'Ready')?.status;
}

async function messagesOf(object: string, reason: string): Promise<(string | undefined)[]> {
  const selector = `involvedObject.name=${object},reason=${reason}`;
  const { items } = await cluster.get<{ items: Event[] }>('events', '--field-selector', selector);
  return items.map(({ message }) => message);
}
