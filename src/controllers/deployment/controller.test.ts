import assert from 'node:assert/strict';
import { test } from 'node:test';
import { deployments, events, pods, replicaSets } from '../../api/resource.ts';
import type { Deployment } from '../../api/types.ts';
import { deployment, startTestCluster, type TestCluster, template } from '../testing.ts';

const ref = { namespace: 'default', name: 'web' };

async function settled(cluster: TestCluster, what = 'the rollout'): Promise<Deployment> {
  return cluster.until(what, async () => {
    await cluster.makeReady();
    const present = await cluster.client.get(deployments, ref);
    const { status, metadata, spec } = present;
    const done =
      status?.observedGeneration === metadata?.generation &&
      status?.updatedReplicas === spec?.replicas &&
      status?.availableReplicas === spec?.replicas &&
      status?.replicas === spec?.replicas;
    return done && present;
  });
}

const setImage = (cluster: TestCluster, image: string) =>
  cluster.client.patch(deployments, ref, 'merge', { spec: { template: template('web', image) } });

test('a new Deployment ends with its pods available, and says so', async (t) => {
  const cluster = await startTestCluster(t);
  await cluster.client.create(deployments, deployment('web', 3));
  const { status, metadata } = await settled(cluster);
  assert.equal(metadata?.annotations?.['deployment.kubernetes.io/revision'], '1');
  const available = await cluster.until('conditions', async () => {
    const { conditions = [] } = (await cluster.client.get(deployments, ref)).status ?? {};
    const said = Object.fromEntries(conditions.map(({ type, reason }) => [type, reason]));
    return said.Progressing === 'NewReplicaSetAvailable' && said;
  });
  assert.equal(available.Available, 'MinimumReplicasAvailable');
  assert.equal(status?.readyReplicas, 3);
  const reasons = await cluster.until('events', async () => {
    const said = (await cluster.listed(events, { namespace: 'default' })).map(
      ({ reason, message }) => `${reason} ${message}`,
    );
    return said.length >= 4 && said;
  });
  assert.equal(reasons.filter((each) => each.startsWith('SuccessfulCreate Created pod: web-')).length, 3);
  assert.equal(
    reasons.filter((each) => /^ScalingReplicaSet Scaled up replica set web-\w+ from 0 to 3$/.test(each)).length,
    1,
  );
});

test('a rolling update never has fewer available pods or more pods than allowed, and can be undone', async (t) => {
  const cluster = await startTestCluster(t);
  const rollingUpdate = { maxSurge: 1, maxUnavailable: 1 };
  await cluster.client.create(
    deployments,
    deployment('web', 4, { strategy: { type: 'RollingUpdate', rollingUpdate } }),
  );
  await settled(cluster);
  await setImage(cluster, 'web:2');
  const broken: string[] = [];
  await cluster.until('the second template', async () => {
    const all = await cluster.listed(pods, { namespace: 'default' });
    const alive = all.filter((pod) => !pod.metadata?.deletionTimestamp);
    // What is asked for: a pod that is no longer wanted may still be there for a moment.
    const sets = await cluster.listed(replicaSets, { namespace: 'default' });
    const wanted = sets.reduce((sum, { spec }) => sum + (spec?.replicas ?? 0), 0);
    if (wanted > 5) broken.push(`${wanted} pods`);
    const ready = alive.filter((pod) =>
      pod.status?.conditions?.some(({ type, status }) => type === 'Ready' && status === 'True'),
    );
    if (ready.length < 3) broken.push(`${ready.length} ready pods`);
    const next = alive.find((pod) => !ready.includes(pod));
    if (next) await cluster.setReady(next, true);
    return alive.length === 4 && alive.every((pod) => pod.spec?.containers[0]?.image === 'web:2');
  });
  assert.deepEqual(broken, []);
  await settled(cluster);
  await setImage(cluster, 'web:1');
  const undone = await settled(cluster, 'the undoing');
  assert.equal(undone.metadata?.annotations?.['deployment.kubernetes.io/revision'], '3');
  const sets = await cluster.listed(replicaSets, { namespace: 'default' });
  const first = sets.find((set) => set.spec?.replicas === 4);
  assert.equal(sets.length, 2);
  assert.equal(first?.metadata?.annotations?.['deployment.kubernetes.io/revision-history'], '1');
});

test('Recreate starts new pods only when the old ones are gone', async (t) => {
  const cluster = await startTestCluster(t);
  await cluster.client.create(deployments, deployment('web', 2, { strategy: { type: 'Recreate' } }));
  await settled(cluster);
  await setImage(cluster, 'web:2');
  const broken: string[] = [];
  await cluster.until('the new pods', async () => {
    const images = (await cluster.listed(pods, { namespace: 'default' })).map((pod) => pod.spec?.containers[0]?.image);
    if (new Set(images).size > 1) broken.push(`both at once: ${images}`);
    return images.length === 2 && images[0] === 'web:2';
  });
  assert.deepEqual(broken, []);
});

test('a paused Deployment scales but does not roll', async (t) => {
  const cluster = await startTestCluster(t);
  await cluster.client.create(deployments, deployment('web', 2));
  await settled(cluster);
  await cluster.client.patch(deployments, ref, 'merge', { spec: { paused: true, replicas: 3 } });
  await setImage(cluster, 'web:2');
  await cluster.until('three pods', async () => (await cluster.listed(pods, { namespace: 'default' })).length === 3);
  const images = (await cluster.listed(pods, { namespace: 'default' })).map((pod) => pod.spec?.containers[0]?.image);
  assert.deepEqual(images, ['web:1', 'web:1', 'web:1']);
  await cluster.client.patch(deployments, ref, 'merge', { spec: { paused: false } });
  await settled(cluster);
});

test('a revision that is larger than a number of JavaScript is counted on from', async (t) => {
  const cluster = await startTestCluster(t);
  const labels = { app: 'web' };
  await cluster.client.create(replicaSets, {
    metadata: {
      name: 'old',
      namespace: 'default',
      labels,
      annotations: { 'deployment.kubernetes.io/revision': '3546343826724305832' },
    },
    spec: {
      selector: { matchLabels: labels },
      template: { metadata: { labels }, spec: { containers: [{ name: 'c', image: 'old' }] } },
    },
  });
  await cluster.client.create(deployments, deployment('web', 1));
  await cluster.until('the next revision', async () => {
    const { metadata } = await cluster.client.get(deployments, { name: 'web', namespace: 'default' });
    return metadata?.annotations?.['deployment.kubernetes.io/revision'] === '3546343826724305833';
  });
});

test('old ReplicaSets beyond revisionHistoryLimit are removed', async (t) => {
  const cluster = await startTestCluster(t);
  await cluster.client.create(deployments, deployment('web', 1, { revisionHistoryLimit: 1 }));
  await settled(cluster);
  for (const image of ['web:2', 'web:3']) {
    await setImage(cluster, image);
    await settled(cluster, image);
  }
  await cluster.until(
    'two ReplicaSets',
    async () => (await cluster.listed(replicaSets, { namespace: 'default' })).length === 2,
  );
});

test('a rollout without progress runs into its deadline', async (t) => {
  const cluster = await startTestCluster(t);
  await cluster.client.create(deployments, deployment('web', 1, { progressDeadlineSeconds: 1 }));
  const progress = await cluster.until('the deadline', async () => {
    const { status } = await cluster.client.get(deployments, ref);
    return status?.conditions?.find(({ reason }) => reason === 'ProgressDeadlineExceeded');
  });
  assert.equal(progress.status, 'False');
});
