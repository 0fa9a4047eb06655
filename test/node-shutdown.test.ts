import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import type { EndpointSlice, Event, Node, Pod } from '../src/api/types.ts';
import { eventually, startCluster, type TestCluster } from './support/cluster.ts';
import { machineState } from './support/machine.ts';

const name = 'node-shutdown';
let cluster: TestCluster;
let pristine: string[];
let scratch: string;
let stopping: Promise<string>;

before(async () => {
  pristine = await machineState(name);
  scratch = mkdtempSync(join(tmpdir(), 'knit-test-node-shutdown-'));
  // While a pod's hook goes on, more is looked at than a slow machine does in a few seconds.
  const kubelet = { shutdownGracePeriod: '24s', shutdownGracePeriodCriticalPods: '8s' };
  const file = {
    apiVersion: 'knit.dev/v1alpha1',
    kind: 'Cluster',
    nodes: [{ name: 'node-1' }, { name: 'node-2', kubelet }],
  };
  writeFileSync(join(scratch, 'cluster.yaml'), JSON.stringify(file));
  cluster = await startCluster(name, ['-f', join(scratch, 'cluster.yaml')]);
});

after(async () => {
  rmSync(scratch, { recursive: true });
  await cluster.down();
  assert.deepEqual(await machineState(name), pristine);
});

/** Whoever ends writes it down, with the time it took to be asked. */
const writing = (word: string) => `trap "echo ${word} >>/j/journal; exit 0" TERM; while :; do sleep 0.1; done`;

test('a node that is asked to stop says so, and takes its pods out of their Services before they end', async () => {
  await run('web', writing('web'), {}, { lifecycle: { preStop: { exec: { command: ['sleep', '11'] } } } });
  await run('deaf', 'trap "" TERM; while :; do sleep 0.1; done', { terminationGracePeriodSeconds: 300 });
  await run('critical', writing('critical'), { priorityClassName: 'system-node-critical' });
  await cluster.kubectl(['expose', 'pod', 'web', '--port=80']);
  await cluster.kubectl(['wait', '--for=condition=Ready', 'pod', '--all', '--timeout=110s']);
  await eventually('the endpoint', async () => (await ready('web')).join() === 'true');
  stopping = cluster.knit(['node', 'stop', 'node-2']);
  // The test that waits for it comes later.
  stopping.catch(() => undefined);
  await eventually('the endpoint to be unready', async () => (await ready('web')).join() === 'false');
  assert.equal((await pod('web')).status?.phase, 'Running');
  assert.throws(() => journal(), { code: 'ENOENT' });
  const condition = await eventually('the node to be unready', async () => {
    const { status } = await cluster.get<Node>('node', 'node-2');
    const found = status?.conditions?.find(({ type }) => type === 'Ready');
    return found?.status === 'False' && found;
  });
  assert.deepEqual([condition.reason, condition.message], ['KubeletNotReady', 'node is shutting down']);
  await eventually('the node’s event', async () =>
    (await eventsOf('node-2', 'NodeShutdown')).includes('Shutdown manager detected shutdown event'),
  );
});

test('it takes no further pod', async () => {
  await run('late', 'sleep 1000');
  const { status } = await ended('late');
  assert.deepEqual(
    [status?.phase, status?.reason, status?.message],
    ['Failed', 'NodeShutdown', 'Pod was rejected: Pod was rejected as the node is shutting down.'],
  );
});

test('what does not end in its time is ended, and all say why', async () => {
  const phases: [string, string][] = [
    ['web', 'Succeeded'],
    ['deaf', 'Failed'],
    ['critical', 'Succeeded'],
  ];
  for (const [each, phase] of phases) {
    const { status } = await ended(each);
    assert.deepEqual(
      [status?.phase, status?.reason, status?.message],
      [phase, 'Terminated', 'Pod was terminated in response to imminent node shutdown.'],
      each,
    );
    const target = status?.conditions?.find(({ type }) => type === 'DisruptionTarget');
    assert.deepEqual([target?.status, target?.reason], ['True', 'TerminationByKubelet'], each);
  }
  assert.equal((await pod('deaf')).status?.containerStatuses?.[0]?.state?.terminated?.exitCode, 137);
});

test('critical pods go on until the time of the others is over', async () => {
  assert.equal(journal(), 'web\ncritical\n');
  const times = await Promise.all(['deaf', 'critical'].map(async (each) => endOf(await pod(each))));
  assert.deepEqual(times, times.toSorted());
});

test('then it is off; started again it is ready, takes pods, and knows when it went', async () => {
  await stopping;
  assert.match(await cluster.knit(['node', 'list']), /node-2 +stopped/);
  await cluster.knit(['node', 'start', 'node-2']);
  await run('early', writing('early'));
  await cluster.kubectl(['wait', '--for=condition=Ready', 'pod/early', '--timeout=110s']);
  const metrics = await cluster.kubectl(['get', '--raw', '/api/v1/nodes/node-2/proxy/metrics']);
  const time = (which: string) =>
    Number(new RegExp(`^kubelet_graceful_shutdown_${which}_time_seconds (\\d+)$`, 'm').exec(metrics)?.[1]);
  assert.ok(Date.now() / 1000 - time('start') < 300, metrics);
  assert.ok(time('end') - time('start') >= 11 && time('end') - time('start') <= 25, metrics);
});

test('stopped with --now it goes as at a power cut', async () => {
  await cluster.knit(['node', 'stop', 'node-2', '--now']);
  assert.equal((await pod('early')).status?.reason, undefined);
  assert.equal(journal(), 'web\ncritical\n');
});

const journal = (): string => readFileSync(join(scratch, 'journal'), 'utf8');

async function run(pod: string, script: string, spec: object = {}, container: object = {}): Promise<void> {
  await cluster.apply({
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name: pod, labels: { app: pod } },
    spec: {
      nodeName: 'node-2',
      volumes: [{ name: 'j', hostPath: { path: scratch } }],
      containers: [
        {
          name: 'main',
          image: 'knit.dev/lab:1',
          command: ['sh', '-c', script],
          volumeMounts: [{ name: 'j', mountPath: '/j' }],
          ...container,
        },
      ],
      ...spec,
    },
  });
}

const pod = (name: string): Promise<Pod> => cluster.get<Pod>('pod', name);

/** The pod when it has ended. */
/** When its container ended, as RFC 3339. */
function endOf({ status }: Pod): string {
  const at = status?.containerStatuses?.[0]?.state?.terminated?.finishedAt;
  assert.ok(at);
  return String(at);
}

async function ended(name: string): Promise<Pod> {
  return await eventually(`${name} to end`, async () => {
    const found = await pod(name);
    return ['Succeeded', 'Failed'].includes(found.status?.phase ?? '') ? found : undefined;
  });
}

/** Of each endpoint of a Service whether it is ready. */
async function ready(service: string): Promise<(boolean | undefined)[]> {
  const selector = `kubernetes.io/service-name=${service}`;
  const { items } = await cluster.get<{ items: EndpointSlice[] }>('endpointslices', '-l', selector);
  return items.flatMap(({ endpoints }) => endpoints ?? []).map(({ conditions }) => conditions?.ready);
}

async function eventsOf(object: string, reason: string): Promise<(string | undefined)[]> {
  const selector = `involvedObject.name=${object},reason=${reason}`;
  const { items } = await cluster.get<{ items: Event[] }>('events', '-A', '--field-selector', selector);
  return items.map(({ message }) => message);
}
