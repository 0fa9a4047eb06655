import assert from 'node:assert/strict';
import { test } from 'node:test';
import { pods, replicaSets } from '../../api/resource.ts';
import type { Pod, ReplicaSet } from '../../api/types.ts';
import { startTestCluster, type TestCluster, template } from '../testing.ts';
import { deletionOrder } from './order.ts';

const inDefault = { namespace: 'default' };
const ref = { ...inDefault, name: 'web' };

const set = (replicas: number, spec: Partial<ReplicaSet['spec']> = {}): ReplicaSet => ({
  metadata: { name: 'web', namespace: 'default' },
  spec: { replicas, selector: { matchLabels: { app: 'web' } }, template: template('web'), ...spec },
});

const podsWhen = (cluster: TestCluster, what: string, test: (all: readonly Pod[]) => boolean) =>
  cluster.until(what, async () => {
    const all = await cluster.listed(pods, inDefault);
    return test(all) && all;
  });

test('no more pods are made than asked for, however many come at once', async (t) => {
  const cluster = await startTestCluster(t);
  await cluster.client.create(replicaSets, set(30));
  let most = 0;
  await cluster.until('thirty pods in the status', async () => {
    most = Math.max(most, (await cluster.listed(pods, inDefault)).length);
    return (await cluster.client.get(replicaSets, ref)).status?.replicas === 30;
  });
  assert.equal(Math.max(most, (await cluster.listed(pods, inDefault)).length), 30);
});

test('a deleted pod is replaced', async (t) => {
  const cluster = await startTestCluster(t);
  await cluster.client.create(replicaSets, set(2));
  const [first] = await podsWhen(cluster, 'two pods', (all) => all.length === 2);
  await cluster.client.delete(pods, { ...inDefault, name: first?.metadata?.name ?? '' });
  await podsWhen(
    cluster,
    'another pod',
    (all) => all.length === 2 && all.every((pod) => pod.metadata?.uid !== first?.metadata?.uid),
  );
});

test('an orphan that matches is adopted, and one that ceases to match is let go', async (t) => {
  const cluster = await startTestCluster(t);
  const { spec, metadata } = template('web');
  const orphan = { metadata: { ...metadata, name: 'orphan', namespace: 'default' }, spec: { containers: [], ...spec } };
  await cluster.client.create(pods, orphan);
  await cluster.client.create(replicaSets, set(1));
  await podsWhen(cluster, 'adoption', (all) => all[0]?.metadata?.ownerReferences?.[0]?.name === 'web');
  assert.equal((await cluster.listed(pods, inDefault)).length, 1);
  await cluster.client.patch(pods, { ...inDefault, name: 'orphan' }, 'merge', {
    metadata: { labels: { app: 'other' } },
  });
  const all = await podsWhen(cluster, 'a pod in its place', (some) => some.length === 2);
  const released = await cluster.until('release', async () => {
    const pod = await cluster.client.get(pods, { ...inDefault, name: 'orphan' });
    return (pod.metadata?.ownerReferences ?? []).length === 0 && pod;
  });
  assert.ok(all.some((pod) => pod.metadata?.uid === released.metadata?.uid));
});

test('a ready pod is available only after minReadySeconds', async (t) => {
  const cluster = await startTestCluster(t);
  await cluster.client.create(replicaSets, set(1, { minReadySeconds: 4 }));
  await podsWhen(cluster, 'a pod', (all) => all.length === 1);
  await cluster.makeReady();
  const ready = await cluster.until('readiness', async () => {
    const { status } = await cluster.client.get(replicaSets, ref);
    return status?.readyReplicas === 1 && status;
  });
  assert.equal(ready.availableReplicas ?? 0, 0);
  await cluster.until(
    'availability',
    async () => (await cluster.client.get(replicaSets, ref)).status?.availableReplicas === 1,
  );
});

test('pods that are worth least go first', () => {
  const now = Date.parse('2026-01-01T01:00:00Z');
  const pod = (name: string, change: { node?: string; phase?: string; ready?: string; cost?: string } = {}): Pod => ({
    metadata: {
      name,
      uid: name,
      creationTimestamp: '2026-01-01T00:00:00Z',
      annotations: change.cost ? { 'controller.kubernetes.io/pod-deletion-cost': change.cost } : {},
    },
    spec: { containers: [], nodeName: change.node ?? 'n1' },
    status: {
      phase: change.phase ?? 'Running',
      conditions: [{ type: 'Ready', status: change.ready ? 'True' : 'False', lastTransitionTime: change.ready }],
    },
  });
  const all = [
    pod('old', { ready: '2026-01-01T00:00:00Z' }),
    pod('crowded', { ready: '2026-01-01T00:00:00Z', node: 'n2' }),
    pod('young', { ready: '2026-01-01T00:59:00Z' }),
    pod('cheap', { ready: '2026-01-01T00:00:00Z', cost: '-1' }),
    pod('unready'),
    pod('pending', { phase: 'Pending' }),
    pod('unassigned', { node: '', phase: 'Pending' }),
  ];
  const names = deletionOrder(all, (node) => (node === 'n2' ? 2 : 1), now).map(({ metadata }) => metadata?.name);
  assert.deepEqual(names, ['unassigned', 'pending', 'unready', 'cheap', 'crowded', 'young', 'old']);
});

test('a thousand pods that are deleted at once are all replaced, and no more', async (t) => {
  const cluster = await startTestCluster(t);
  const count = 1000;
  await cluster.client.create(replicaSets, set(count));
  const isWhole = ({ status }: ReplicaSet) => status?.replicas === count;
  // Lists are large: they are asked for only when the status says that the work is done.
  const sized = (what: string, test: (all: readonly Pod[]) => boolean) =>
    cluster.until(
      what,
      async () => {
        if (!isWhole(await cluster.client.get(replicaSets, ref))) return false;
        const all = await cluster.listed(pods, inDefault);
        return test(all) && all;
      },
      120_000,
    );
  const first = await sized('all pods', (all) => all.length === count);
  await cluster.client.raw('DELETE', '/api/v1/namespaces/default/pods?gracePeriodSeconds=0');
  const gone = new Set(first.map(({ metadata }) => metadata?.uid));
  const next = await sized(
    'other pods',
    (all) => all.length > 0 && all.every(({ metadata }) => !gone.has(metadata?.uid)),
  );
  assert.ok(next.length <= count);
  assert.equal((await sized('all of them', (all) => all.length >= count)).length, count);
});
