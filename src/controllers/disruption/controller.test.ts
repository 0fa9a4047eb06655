import assert from 'node:assert/strict';
import { test } from 'node:test';
import { deployments, podDisruptionBudgets, pods } from '../../api/resource.ts';
import type { Pod, PodDisruptionBudget } from '../../api/types.ts';
import { ApiError } from '../../client/client.ts';
import { deployment, startTestCluster, type TestCluster } from '../testing.ts';
import { planBudget } from './plan.ts';

const inDefault = { namespace: 'default' };
const ref = { ...inDefault, name: 'web' };

const budget = (spec: Partial<NonNullable<PodDisruptionBudget['spec']>>): PodDisruptionBudget => ({
  metadata: { ...ref },
  spec: { selector: { matchLabels: { app: 'web' } }, ...spec },
});

/** Three pods of a Deployment, ready, and the budget's word on them. */
async function start(cluster: TestCluster, spec: Parameters<typeof budget>[0]): Promise<Pod[]> {
  await cluster.client.create(deployments, deployment('web', 3));
  await cluster.client.create(podDisruptionBudgets, budget(spec));
  await cluster.until('three ready pods', async () => {
    await cluster.makeReady();
    return (await cluster.client.get(deployments, ref)).status?.readyReplicas === 3;
  });
  return await cluster.listed(pods, inDefault);
}

const allowing = (cluster: TestCluster, disruptions: number) =>
  cluster.until(`${disruptions} disruptions to be allowed`, async () => {
    const { status, metadata } = await cluster.client.get(podDisruptionBudgets, ref);
    const isSeen = status?.observedGeneration === metadata?.generation;
    return isSeen && status?.disruptionsAllowed === disruptions && status;
  });

async function evict(cluster: TestCluster, pod: Pod): Promise<'evicted' | string> {
  const name = pod.metadata?.name ?? '';
  const eviction = { apiVersion: 'policy/v1', kind: 'Eviction', metadata: { name, ...inDefault } };
  try {
    await cluster.client.createSubresource(pods, { ...inDefault, name }, 'eviction', eviction);
    return 'evicted';
  } catch (error) {
    assert.ok(error instanceof ApiError && error.code === 429 && error.reason === 'TooManyRequests');
    assert.equal(error.message, "Cannot evict pod as it would violate the pod's disruption budget.");
    const [cause] = error.status.details?.causes ?? [];
    assert.equal(cause?.reason, 'DisruptionBudget');
    return cause?.message ?? '';
  }
}

test('no more pods are evicted than the budget allows, however many ask at once', async (t) => {
  const cluster = await startTestCluster(t);
  const all = await start(cluster, { minAvailable: 2 });
  assert.equal((await allowing(cluster, 1)).expectedPods, 3);
  const answers = await Promise.all(all.map((pod) => evict(cluster, pod)));
  assert.equal(answers.filter((answer) => answer === 'evicted').length, 1);
  assert.match(answers.find((answer) => answer !== 'evicted') ?? '', /^The disruption budget web needs 2 healthy pods/);
  await cluster.until('the next pod to serve', async () => {
    await cluster.makeReady();
    const { status } = await cluster.client.get(podDisruptionBudgets, ref);
    return status?.disruptionsAllowed === 1 && !status.disruptedPods;
  });
});

test('a share is of the pods that the Deployment wants', async (t) => {
  const cluster = await startTestCluster(t);
  await start(cluster, { maxUnavailable: '34%' });
  const { desiredHealthy, expectedPods } = await allowing(cluster, 2);
  assert.deepEqual([desiredHealthy, expectedPods], [1, 3]);
});

test('a pod that is not ready may always go where the budget says so', async (t) => {
  const cluster = await startTestCluster(t);
  const [first] = await start(cluster, { minAvailable: 3, unhealthyPodEvictionPolicy: 'AlwaysAllow' });
  assert.ok(first);
  await allowing(cluster, 0);
  assert.match(await evict(cluster, first), /needs 3 healthy pods and has 3 currently/);
  await cluster.setReady(first, false);
  assert.equal(await evict(cluster, first), 'evicted');
});

test('an eviction that came to nothing is forgotten', () => {
  const evicted = budget({ minAvailable: 1 });
  const now = Date.parse('2026-01-01T00:03:00Z');
  evicted.status = {
    disruptedPods: { recent: '2026-01-01T00:02:00Z', old: '2026-01-01T00:00:00Z' },
    currentHealthy: 0,
    desiredHealthy: 0,
    disruptionsAllowed: 0,
    expectedPods: 2,
  };
  const pod = (name: string): Pod => ({
    metadata: { name },
    status: { conditions: [{ type: 'Ready', status: 'True' }] },
  });
  const { status, recheckMs } = planBudget(evicted, [pod('recent'), pod('old')], 2, now);
  assert.deepEqual(status.disruptedPods, { recent: '2026-01-01T00:02:00Z' });
  assert.deepEqual([status.currentHealthy, status.disruptionsAllowed], [1, 0]);
  assert.equal(recheckMs, 60_001);
});
