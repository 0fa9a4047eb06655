import assert from 'node:assert/strict';
import { test } from 'node:test';
import { jobs, pods } from '../../api/resource.ts';
import type { Job, Pod } from '../../api/types.ts';
import { startTestCluster, type TestCluster } from '../testing.ts';

const inDefault = { namespace: 'default' };
const ref = { ...inDefault, name: 'work' };

const job = (spec: Partial<Job['spec']> = {}): Job => ({
  metadata: { name: 'work', namespace: 'default' },
  spec: { template: { spec: { restartPolicy: 'Never', containers: [{ name: 'c', image: 'i' }] } }, ...spec },
});

const end = (cluster: TestCluster, pod: Pod, phase: 'Succeeded' | 'Failed') =>
  cluster.client.patch(
    pods,
    { ...inDefault, name: pod.metadata?.name ?? '' },
    'merge',
    { status: { phase } },
    'status',
  );

const waiting = (cluster: TestCluster, count: number) =>
  cluster.until(`${count} pods`, async () => {
    const all = await cluster.listed(pods, inDefault);
    const active = all.filter(({ status }) => status?.phase !== 'Succeeded' && status?.phase !== 'Failed');
    return active.length === count && active;
  });

const condition = (cluster: TestCluster, type: string) =>
  cluster.until(type, async () => {
    const { status } = await cluster.client.get(jobs, ref);
    return status?.conditions?.some((each) => each.type === type && each.status === 'True') && status;
  });

test('a job runs so many pods at once until enough ended well', async (t) => {
  const cluster = await startTestCluster(t);
  await cluster.client.create(jobs, job({ completions: 3, parallelism: 2 }));
  for (const pod of await waiting(cluster, 2)) await end(cluster, pod, 'Succeeded');
  for (const pod of await waiting(cluster, 1)) await end(cluster, pod, 'Succeeded');
  const status = await condition(cluster, 'Complete');
  assert.equal(status.succeeded, 3);
  assert.ok(status.completionTime);
  assert.ok((await cluster.listed(pods, inDefault)).every(({ metadata }) => !metadata?.finalizers?.length));
});

test('a job whose pods fail too often has failed', async (t) => {
  const cluster = await startTestCluster(t);
  await cluster.client.create(jobs, job({ backoffLimit: 1 }));
  for (let i = 0; i < 2; i++) for (const pod of await waiting(cluster, 1)) await end(cluster, pod, 'Failed');
  const status = await condition(cluster, 'Failed');
  assert.equal(status.conditions?.find(({ type }) => type === 'Failed')?.reason, 'BackoffLimitExceeded');
  assert.equal(status.failed, 2);
});

test('a job that is done goes when its time is over, with its pods', async (t) => {
  const cluster = await startTestCluster(t);
  await cluster.client.create(jobs, job({ ttlSecondsAfterFinished: 0 }));
  for (const pod of await waiting(cluster, 1)) await end(cluster, pod, 'Succeeded');
  await cluster.until('its end', async () => (await cluster.listed(jobs, inDefault)).length === 0);
  await cluster.until('no pods', async () => (await cluster.listed(pods, inDefault)).length === 0);
});

test('an indexed job does each of its parts once', async (t) => {
  const cluster = await startTestCluster(t);
  await cluster.client.create(jobs, job({ completionMode: 'Indexed', completions: 3, parallelism: 2 }));
  for (const pod of await waiting(cluster, 2)) await end(cluster, pod, 'Succeeded');
  for (const pod of await waiting(cluster, 1)) await end(cluster, pod, 'Succeeded');
  const status = await condition(cluster, 'Complete');
  assert.equal(status.completedIndexes, '0-2');
  assert.equal(status.succeeded, 3);
});

test('a suspended job has no pods until it is resumed', async (t) => {
  const cluster = await startTestCluster(t);
  await cluster.client.create(jobs, job({ suspend: true }));
  await condition(cluster, 'Suspended');
  assert.equal((await cluster.listed(pods, inDefault)).length, 0);
  await cluster.client.patch(jobs, ref, 'merge', { spec: { suspend: false } });
  await waiting(cluster, 1);
});

test('a job that another controller manages is left alone', async (t) => {
  const cluster = await startTestCluster(t);
  await cluster.client.create(jobs, job({ managedBy: 'example.com/queue' }));
  const own = { ...job(), metadata: { name: 'own', namespace: 'default' } };
  await cluster.client.create(jobs, own);
  const [pod] = await waiting(cluster, 1);
  assert.equal(pod?.metadata?.ownerReferences?.[0]?.name, 'own');
  assert.equal((await cluster.client.get(jobs, ref)).status?.startTime, undefined);
});

test('a pod that no longer matches is let go, and one that does again is taken back', async (t) => {
  const cluster = await startTestCluster(t);
  await cluster.client.create(jobs, job({ parallelism: 1 }));
  const [pod] = await waiting(cluster, 1);
  const one = { ...inDefault, name: pod?.metadata?.name ?? '' };
  const { labels } = pod?.metadata ?? {};
  await cluster.client.patch(pods, one, 'json', [{ op: 'remove', path: '/metadata/labels' }]);
  await cluster.until('it to be free', async () => {
    const { metadata } = await cluster.client.get(pods, one);
    return !metadata?.ownerReferences && !metadata?.finalizers;
  });
  await cluster.client.patch(pods, one, 'merge', { metadata: { labels } });
  await cluster.until('it to be taken back', async () => {
    const { metadata } = await cluster.client.get(pods, one);
    return metadata?.ownerReferences?.[0]?.name === 'work' && metadata.finalizers?.length === 1;
  });
});

test('a pod that is being deleted goes when its job is gone', async (t) => {
  const cluster = await startTestCluster(t);
  await cluster.client.create(jobs, job());
  const [pod] = await waiting(cluster, 1);
  const one = { ...inDefault, name: pod?.metadata?.name ?? '' };
  await cluster.client.patch(pods, one, 'merge', {
    metadata: { finalizers: ['batch.kubernetes.io/job-tracking'], ownerReferences: null, labels: null },
  });
  await cluster.client.delete(pods, one, { gracePeriodSeconds: 0 });
  await cluster.until('it to be gone', async () => {
    const all = await cluster.listed(pods, inDefault);
    return all.every(({ metadata }) => metadata?.name !== one.name);
  });
});

test('a job is complete when none of its pods runs any more', async (t) => {
  const cluster = await startTestCluster(t);
  const successPolicy = { rules: [{ succeededCount: 1 }] };
  await cluster.client.create(jobs, job({ completionMode: 'Indexed', completions: 2, parallelism: 2, successPolicy }));
  const [done, kept] = await waiting(cluster, 2);
  const one = { ...inDefault, name: kept?.metadata?.name ?? '' };
  const finalizers = [...(kept?.metadata?.finalizers ?? []), 'example.com/slow'];
  await cluster.client.patch(pods, one, 'merge', { metadata: { finalizers } });
  await end(cluster, done!, 'Succeeded');
  const early = await cluster.until('one pod to be terminating', async () => {
    const { status } = await cluster.client.get(jobs, ref);
    return status?.terminating === 1 && status;
  });
  assert.deepEqual(
    early.conditions?.map(({ type }) => type),
    ['SuccessCriteriaMet'],
  );
  await cluster.client.patch(pods, one, 'merge', { metadata: { finalizers: null } });
  const status = await condition(cluster, 'Complete');
  assert.deepEqual([status.active, status.ready, status.terminating], [undefined, 0, 0]);
});
