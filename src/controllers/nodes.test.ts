import assert from 'node:assert/strict';
import { test } from 'node:test';
import { namespaces, nodes, pods } from '../api/resource.ts';
import type { Node, Pod } from '../api/types.ts';
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
  const cluster = await startTestCluster(t, { nodeMonitorGracePeriodMs: 300 });
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
