import assert from 'node:assert/strict';
import { after, afterEach, before, beforeEach, describe, it } from 'node:test';
import type { Resource } from '../api/resource.ts';
import { events, namespaces, nodes, pods, serviceAccounts } from '../api/resource.ts';
import type { KubeObject, Pod } from '../api/types.ts';
import { startTestApiServer, type TestApiServer } from '../apiserver/testing.ts';
import { createLog } from '../base/log.ts';
import { waitFor } from '../base/wait.ts';
import { type Client, isAlreadyExists, type Transport } from '../client/client.ts';
import { httpsTransport } from '../client/https.ts';
import type { InformerFactory } from '../client/informer.ts';
import { createInformers } from '../client/informers.ts';
import { createClient } from '../client/requests.ts';
import { type NodeShape, node, type PodShape, pod } from './fixtures.ts';
import { type RunningScheduler, startScheduler } from './scheduler.ts';

const log = createLog('scheduler-test', () => undefined);
const timeoutMs = 30_000;
const priorityClasses: Resource<KubeObject & { value: number }> = {
  group: 'scheduling.k8s.io',
  version: 'v1',
  kind: 'PriorityClass',
  plural: 'priorityclasses',
  namespaced: false,
};

describe('the scheduler, on a real API server', () => {
  let server: TestApiServer;
  let transport: Transport;
  let client: Client;
  let informers: InformerFactory;
  let scheduler: RunningScheduler;
  let namespace = '';
  let round = 0;

  before(async () => {
    server = await startTestApiServer();
    transport = httpsTransport({ server: server.url, ca: server.ca, cert: server.adminCert, key: server.adminKey });
    client = createClient(transport);
  });
  after(async () => {
    await transport.close();
    await server.stop();
  });
  beforeEach(async () => {
    namespace = `round-${++round}`;
    await client.create(namespaces, { apiVersion: 'v1', kind: 'Namespace', metadata: { name: namespace } });
    const account = { apiVersion: 'v1', kind: 'ServiceAccount', metadata: { name: 'default', namespace } };
    await client.create(serviceAccounts, account).catch((error: unknown) => {
      if (!isAlreadyExists(error)) throw error;
    });
    informers = createInformers(client, log);
    scheduler = await startScheduler({ client, informers, log });
  });
  afterEach(async () => {
    await scheduler.stop();
    await informers.stop();
    for (const { metadata } of (await client.list(pods, { namespace })).items)
      await client.delete(pods, { name: metadata?.name ?? '', namespace }, { gracePeriodSeconds: 0 });
    for (const { metadata } of (await client.list(nodes)).items)
      await client.delete(nodes, { name: metadata?.name ?? '' });
  });

  async function addNode(name: string, shape: NodeShape = {}): Promise<void> {
    const wanted = node(name, shape);
    const created = await client.create(nodes, { apiVersion: 'v1', kind: 'Node', ...wanted });
    await client.updateStatus(nodes, { ...created, status: wanted.status });
    // Admission taints new nodes until they are ready, which here nobody says but us.
    const taints = shape.taints ?? [];
    await client.patch(nodes, { name }, 'merge', { spec: { taints } });
  }

  async function addPod(name: string, shape: PodShape = {}): Promise<void> {
    const { metadata, spec } = pod(name, { ...shape, namespace });
    await client.create(pods, {
      apiVersion: 'v1',
      kind: 'Pod',
      metadata: { name, namespace, labels: metadata?.labels },
      spec,
    });
  }

  const get = (name: string) => client.get(pods, { name, namespace });
  const metric = (name: string): number | undefined => {
    const line = scheduler.metrics().find((each) => each.startsWith(`scheduler_${name} `));
    return line === undefined ? undefined : Number(line.split(' ').at(-1));
  };
  const bound = (name: string) =>
    waitFor(async () => (await get(name)).spec?.nodeName, { what: `a node for ${name}`, timeoutMs, intervalMs: 5 });
  const condition = (object: Pod) => object.status?.conditions?.find(({ type }) => type === 'PodScheduled');
  const waiting = (name: string, reason: string) =>
    waitFor(
      async () => {
        const found = condition(await get(name));
        return found?.reason === reason && found;
      },
      { what: `${name} to be ${reason}`, timeoutMs, intervalMs: 5 },
    );
  const eventOf = (name: string, reason: string) =>
    waitFor(
      async () => {
        const { items } = await client.list(events, { namespace });
        return items.find((event) => event.involvedObject.name === name && event.reason === reason);
      },
      { what: `event ${reason} of ${name}`, timeoutMs },
    );

  it('binds a pod, says so in an event, and the condition is true', async () => {
    await addNode('n1');
    await addPod('p');
    assert.equal(await bound('p'), 'n1');
    assert.equal(condition(await get('p'))?.status, 'True');
    const event = await eventOf('p', 'Scheduled');
    assert.equal(event.message, `Successfully assigned ${namespace}/p to n1`);
    assert.equal(event.type, 'Normal');
  });

  it('says why not, and binds as soon as a node comes', async () => {
    await addPod('p', { cpu: '2' });
    assert.equal((await waiting('p', 'Unschedulable')).message, 'no nodes available to schedule pods');
    await addNode('small', { cpu: '1' });
    const message = /^0\/1 nodes are available: 1 Insufficient cpu\. no new claims to deallocate, preemption: /;
    await waitFor(async () => message.test(condition(await get('p'))?.message ?? ''), {
      what: 'the reason',
      timeoutMs,
    });
    assert.equal((await eventOf('p', 'FailedScheduling')).type, 'Warning');
    await addNode('large', { cpu: '4' });
    assert.equal(await bound('p'), 'large');
  });

  it('places a pod when another one makes room', async () => {
    await addNode('n1', { cpu: '1' });
    await addPod('first', { cpu: '1' });
    assert.equal(await bound('first'), 'n1');
    await addPod('second', { cpu: '1' });
    await waiting('second', 'Unschedulable');
    await client.delete(pods, { name: 'first', namespace }, { gracePeriodSeconds: 0 });
    assert.equal(await bound('second'), 'n1');
  });

  it('never gives out the same room twice', async () => {
    await addNode('n1', { cpu: '2' });
    await addNode('n2', { cpu: '2' });
    await Promise.all(Array.from({ length: 8 }, (_, i) => addPod(`p${i}`, { cpu: '500m' })));
    const places = await Promise.all(Array.from({ length: 8 }, (_, i) => bound(`p${i}`)));
    assert.equal(places.filter((place) => place === 'n1').length, 4);
  });

  it('ends less important pods where a more important one fits nowhere', async () => {
    await client.create(priorityClasses, {
      apiVersion: 'scheduling.k8s.io/v1',
      kind: 'PriorityClass',
      metadata: { name: 'urgent' },
      value: 1000,
    });
    await addNode('n1', { cpu: '1' });
    await addPod('low', { cpu: '1', terminationGracePeriodSeconds: 30 });
    await bound('low');
    await addPod('high', { cpu: '1', priorityClassName: 'urgent' });
    const low = await waitFor(
      async () => {
        const found = await get('low');
        return found.metadata?.deletionTimestamp !== undefined && found;
      },
      { what: 'the victim to be deleted', timeoutMs },
    );
    const target = low.status?.conditions?.find(({ type }) => type === 'DisruptionTarget');
    assert.equal(target?.reason, 'PreemptionByScheduler');
    assert.match((await eventOf('low', 'Preempted')).message ?? '', /^Preempted by pod \S+ on node n1$/);
    await waitFor(async () => (await get('high')).status?.nominatedNodeName === 'n1', {
      what: 'the nominated node',
      timeoutMs,
    });
    await addPod('other', { cpu: '1' });
    await waiting('other', 'Unschedulable');
    // What a kubelet does when the pod has ended.
    await client.delete(pods, { name: 'low', namespace }, { gracePeriodSeconds: 0 });
    assert.equal(await bound('high'), 'n1');
  });

  it('waits for scheduling gates', async () => {
    await addNode('n1');
    await addPod('p', { schedulingGates: [{ name: 'example.com/wait' }] });
    await waiting('p', 'SchedulingGated');
    assert.equal(metric('pending_pods{queue="gated"}'), 1);
    await client.patch(pods, { name: 'p', namespace }, 'merge', { spec: { schedulingGates: null } });
    assert.equal(await bound('p'), 'n1');
    assert.equal(metric('pending_pods{queue="gated"}'), 0);
  });

  it('tells its attempts, and where pods wait, under the names that kube-scheduler has for them', async () => {
    await addNode('n1', { cpu: '1' });
    await addPod('first', { cpu: '1' });
    await bound('first');
    await addPod('second', { cpu: '1' });
    await waiting('second', 'Unschedulable');
    const profile = 'profile="default-scheduler"';
    assert.equal(metric(`schedule_attempts_total{${profile},result="scheduled"}`), 1);
    assert.equal(metric(`schedule_attempts_total{${profile},result="unschedulable"}`), 1);
    assert.equal(metric(`scheduling_attempt_duration_seconds_count{${profile},result="scheduled"}`), 1);
    assert.equal(metric('pending_pods{queue="unschedulable"}'), 1);
    assert.equal(metric(`unschedulable_pods{plugin="NodeResourcesFit",${profile}}`), 1);
    assert.equal(metric('pod_scheduling_attempts_count'), 1);
    assert.equal(metric('preemption_attempts_total'), 1);
    assert.equal(metric('scheduler_cache_size{type="nodes"}'), 1);
  });

  it('leaves pods of other schedulers alone', async () => {
    await addNode('n1');
    await addPod('theirs', { schedulerName: 'other' });
    await addPod('ours');
    await bound('ours');
    assert.equal((await get('theirs')).spec?.nodeName, undefined);
  });

  it('knows after a restart what was placed before', async () => {
    await addNode('n1', { cpu: '1' });
    await addPod('first', { cpu: '1' });
    await bound('first');
    await scheduler.stop();
    await informers.stop();
    informers = createInformers(client, log);
    scheduler = await startScheduler({ client, informers, log });
    await addPod('second', { cpu: '1' });
    assert.match((await waiting('second', 'Unschedulable')).message ?? '', /1 Insufficient cpu/);
  });
});
