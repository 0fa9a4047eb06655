import assert from 'node:assert/strict';
import { test } from 'node:test';
import { apiServices, configMaps, events, namespaces, nodes, pods } from '../api/resource.ts';
import type { Node, Pod, Taint } from '../api/types.ts';
import { createPool } from './node-ipam.ts';
import { evictionTime } from './taint-eviction.ts';
import { node, startTestCluster, type TestCluster, template } from './testing.ts';
import { timestamp } from './time.ts';

const report = (cluster: TestCluster, name: string, ready = true): Promise<Node> => {
  const now = timestamp();
  const condition = {
    type: 'Ready',
    status: ready ? 'True' : 'False',
    lastHeartbeatTime: now,
    lastTransitionTime: now,
  };
  return cluster.client.patch(nodes, { name }, 'merge', { status: { conditions: [condition] } }, 'status');
};

const podOn = (nodeName: string, tolerations: NonNullable<Pod['spec']>['tolerations'] = undefined): Pod => ({
  metadata: { name: 'a', namespace: 'default' },
  spec: { ...template('a').spec, containers: template('a').spec?.containers ?? [], nodeName, tolerations },
});

const taintsOf = async (cluster: TestCluster, name: string): Promise<string[]> =>
  ((await cluster.client.get(nodes, { name })).spec?.taints ?? []).map(({ key, effect }) => `${key}:${effect}`).sort();

test('each node has a part of the pod network of its own', async (t) => {
  const cluster = await startTestCluster(t);
  await Promise.all(['a', 'b', 'c'].map((name) => cluster.client.create(nodes, node(name))));
  const parts = await cluster.until('three parts', async () => {
    const all = (await cluster.listed(nodes)).map(({ spec }) => spec?.podCIDR ?? '');
    return all.every((part) => part !== '') && all;
  });
  assert.deepEqual(parts.toSorted(), ['10.244.0.0/24', '10.244.1.0/24', '10.244.2.0/24']);
});

test('a part that was given back is given again, but not before all others', () => {
  const pool = createPool('10.0.0.0/22', 24);
  assert.equal(pool.assign('a'), '10.0.0.0/24');
  assert.equal(pool.assign('a'), '10.0.0.0/24');
  pool.release('a');
  pool.taken('old', '10.0.1.0/24');
  assert.deepEqual(
    [pool.assign('b'), pool.assign('c'), pool.assign('d')],
    ['10.0.2.0/24', '10.0.3.0/24', '10.0.0.0/24'],
  );
  assert.equal(pool.assign('e'), undefined);
});

test('a part of an IPv6 network is a /64, and what belongs to the other family is not counted', () => {
  const pool = createPool('fd00:1::/56', 64);
  pool.taken('old', '10.0.0.0/24');
  pool.taken('old', 'fd00:1::/64');
  assert.equal(pool.assign('a'), 'fd00:1:0:1::/64');
});

test('a silent node becomes Unknown and tainted, its pods not ready; when it speaks again it is free', async (t) => {
  // Long enough for the node to be seen free of taints before it is silent.
  const cluster = await startTestCluster(t, { nodeMonitorGracePeriodMs: 3_000 });
  await cluster.client.create(nodes, node('n'));
  await report(cluster, 'n');
  const tolerations = [{ operator: 'Exists' }];
  await cluster.setReady(await cluster.client.create(pods, podOn('n', tolerations)), true);
  await cluster.until('no taint', async () => (await taintsOf(cluster, 'n')).length === 0);
  await cluster.until('taints', async () => (await taintsOf(cluster, 'n')).length === 2);
  assert.deepEqual(await taintsOf(cluster, 'n'), [
    'node.kubernetes.io/unreachable:NoExecute',
    'node.kubernetes.io/unreachable:NoSchedule',
  ]);
  const ready = (await cluster.client.get(nodes, { name: 'n' })).status?.conditions?.find(
    ({ type }) => type === 'Ready',
  );
  assert.deepEqual([ready?.status, ready?.reason], ['Unknown', 'NodeStatusUnknown']);
  await cluster.until('the pod', async () => {
    const [pod] = await cluster.listed(pods);
    return pod?.status?.conditions?.some(({ type, status }) => type === 'Ready' && status === 'False');
  });
  await report(cluster, 'n');
  await cluster.until('no taint again', async () => (await taintsOf(cluster, 'n')).length === 0);
});

test('a pod leaves a node whose NoExecute taint it does not tolerate', async (t) => {
  const cluster = await startTestCluster(t);
  await cluster.client.create(nodes, node('n'));
  await report(cluster, 'n');
  await cluster.client.create(pods, podOn('n'));
  const taint = { key: 'test', effect: 'NoExecute' };
  await cluster.until('the taint', async () => {
    const present = await cluster.client.get(nodes, { name: 'n' });
    await cluster.client.update(nodes, { ...present, spec: { ...present.spec, taints: [taint] } });
    return true;
  });
  await cluster.until('the eviction', async () => {
    const all = await cluster.listed(pods);
    return all.every((pod) => pod.metadata?.deletionTimestamp);
  });
});

test('a clock that is set forward drives no pod away before its time, and one that is let off is told so', async (t) => {
  const cluster = await startTestCluster(t);
  const { client, until, listed } = cluster;
  await client.create(nodes, node('n'));
  await report(cluster, 'n');
  const patient = podOn('n', [{ key: 'test', operator: 'Exists', effect: 'NoExecute', tolerationSeconds: 600 }]);
  await client.create(pods, { ...patient, metadata: { ...patient.metadata, name: 'patient' } });
  const taint = async (taints: Taint[]) =>
    until('the taint', async () => {
      const present = await client.get(nodes, { name: 'n' });
      const others = present.spec?.taints?.filter(({ key }) => key !== 'test') ?? [];
      await client.update(nodes, { ...present, spec: { ...present.spec, taints: [...others, ...taints] } });
      return true;
    });
  await taint([{ key: 'test', effect: 'NoExecute', timeAdded: timestamp() }]);
  const fleeting = podOn('n', [{ key: 'test', operator: 'Exists', effect: 'NoExecute', tolerationSeconds: 0 }]);
  const evicted = (name: string) =>
    until(`the end of ${name}`, async () => {
      const pod = (await listed(pods)).find(({ metadata }) => metadata?.name === name);
      return !pod || pod.metadata?.deletionTimestamp;
    });
  await client.create(pods, { ...fleeting, metadata: { ...fleeting.metadata, name: 'first' } });
  await evicted('first');

  const now = Date.now.bind(Date);
  t.mock.method(Date, 'now', () => now() + 3_600_000);
  const ref = { namespace: 'default', name: 'patient' };
  await client.patch(pods, ref, 'merge', { metadata: { labels: { looked: 'again' } } });
  await client.create(pods, { ...fleeting, metadata: { ...fleeting.metadata, name: 'second' } });
  await evicted('second');
  assert.equal((await client.get(pods, ref)).metadata?.deletionTimestamp, undefined);
  await taint([]);
  await until('the event', async () =>
    (await listed(events)).some(({ message }) => message === 'Cancelling deletion of Pod default/patient'),
  );
});

test('a node that comes and goes is told of', async (t) => {
  const { client, until, listed } = await startTestCluster(t);
  await client.create(nodes, node('n'));
  const told = (message: string) =>
    until(message, async () => (await listed(events)).some((event) => event.message === message));
  await told('Node n event: Registered Node n in Controller');
  await client.delete(nodes, { name: 'n' });
  await told('Node n event: Removing Node n from Controller');
});

test('a taint is tolerated for as long as the shortest toleration says', () => {
  const taint = { key: 'k', effect: 'NoExecute' };
  const pod = podOn('n', [
    { key: 'k', operator: 'Exists', tolerationSeconds: 10 },
    { key: 'k', operator: 'Exists', tolerationSeconds: 5 },
  ]);
  const since = () => 1_000;
  assert.equal(evictionTime(pod, [taint], since), 6_000);
  assert.equal(evictionTime(podOn('n'), [taint], since), 1_000);
  assert.equal(evictionTime(podOn('n', [{ operator: 'Exists' }]), [taint], since), undefined);
});

test('pods of a node that is gone are removed', async (t) => {
  const cluster = await startTestCluster(t, { orphanedPodGracePeriodMs: 10 });
  await cluster.client.create(nodes, node('n'));
  await cluster.client.create(pods, podOn('n', [{ operator: 'Exists' }]));
  await cluster.client.delete(nodes, { name: 'n' });
  await cluster.until('no pod', async () => (await cluster.listed(pods)).length === 0);
});

test('what was ending on a node goes at once when somebody says that the node is out of service', async (t) => {
  const { client, until, listed } = await startTestCluster(t);
  await client.create(nodes, node('n'));
  const created = podOn('n', [{ operator: 'Exists' }]);
  await client.create(pods, created);
  const ref = { namespace: 'default', name: created.metadata?.name ?? '' };
  await client.delete(pods, ref);
  assert.ok((await client.get(pods, ref)).metadata?.deletionTimestamp, 'no kubelet has ended it');
  await until('the taint', async () => {
    const present = await client.get(nodes, { name: 'n' });
    const taint = { key: 'node.kubernetes.io/out-of-service', value: 'nodeshutdown', effect: 'NoExecute' };
    const taints = [...(present.spec?.taints ?? []), taint];
    await client.update(nodes, { ...present, spec: { ...present.spec, taints } });
    return true;
  });
  await until('no pod', async () => (await listed(pods)).length === 0);
});

test('a namespace is emptied before it goes, and says what is left', async (t) => {
  const cluster = await startTestCluster(t);
  const { client, until, listed } = cluster;
  await client.create(namespaces, { metadata: { name: 'shop' } });
  const held = podOn('nowhere');
  held.metadata = { name: 'held', namespace: 'shop', finalizers: ['test/hold'] };
  await until('the pod', async () => client.create(pods, held));
  await client.delete(namespaces, { name: 'shop' });
  const message = await until('the conditions', async () => {
    const { status } = await client.get(namespaces, { name: 'shop' });
    return status?.conditions?.find(
      ({ type, status: value }) => type === 'NamespaceFinalizersRemaining' && value === 'True',
    )?.message;
  });
  assert.equal(message, 'Some content in the namespace has finalizers remaining: test/hold in 1 resource instances');
  const ref = { namespace: 'shop', name: 'held' };
  await client.patch(pods, ref, 'merge', { metadata: { finalizers: null } });
  await client.delete(pods, ref, { gracePeriodSeconds: 0 }).catch(() => undefined);
  await until('its end', async () => (await listed(namespaces)).every(({ metadata }) => metadata?.name !== 'shop'));
});

test('a namespace that is going is emptied while another API server is silent, and goes when that is known', async (t) => {
  const { client, until, listed } = await startTestCluster(t);
  await client.create(apiServices, {
    metadata: { name: 'v1.silent.example.com' },
    spec: {
      group: 'silent.example.com',
      version: 'v1',
      groupPriorityMinimum: 100,
      versionPriority: 100,
      insecureSkipTLSVerify: true,
      service: { namespace: 'default', name: 'nobody' },
    },
  });
  await client.create(namespaces, { metadata: { name: 'shop' } });
  await client.create(configMaps, { metadata: { name: 'left', namespace: 'shop', finalizers: ['test/hold'] } });
  await client.delete(namespaces, { name: 'shop' });
  const told = (type: string, pattern: RegExp) =>
    until(type, async () => {
      const { status } = await client.get(namespaces, { name: 'shop' });
      const condition = status?.conditions?.find((each) => each.type === type);
      return condition?.status === 'True' && pattern.test(condition.message ?? '');
    });
  await told(
    'NamespaceDeletionDiscoveryFailure',
    /^Discovery failed for some groups, 1 failing: .*silent\.example\.com\/v1/,
  );
  await told('NamespaceContentRemaining', /^Some resources are remaining: configmaps\. has 1 resource instances$/);
  await client.patch(configMaps, { namespace: 'shop', name: 'left' }, 'merge', { metadata: { finalizers: null } });
  await until('an empty namespace', async () => (await listed(configMaps, { namespace: 'shop' })).length === 0);
  await client.delete(apiServices, { name: 'v1.silent.example.com' });
  await until('its end', async () => !(await listed(namespaces)).some(({ metadata }) => metadata?.name === 'shop'));
});
