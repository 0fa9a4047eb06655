import assert from 'node:assert/strict';
import { test } from 'node:test';
import { configMaps, controllerRevisions, persistentVolumeClaims, pods, statefulSets } from '../../api/resource.ts';
import type { ControllerRevision, Pod, StatefulSet } from '../../api/types.ts';
import { startTestCluster, type TestCluster, template } from '../testing.ts';

const inDefault = { namespace: 'default' };
const ref = { ...inDefault, name: 'db' };

const set = (replicas: number, spec: Partial<StatefulSet['spec']> = {}): StatefulSet => ({
  metadata: { ...ref, annotations: { 'kubernetes.io/change-cause': 'first' } },
  spec: {
    replicas,
    serviceName: 'db',
    selector: { matchLabels: { app: 'db' } },
    template: template('db'),
    volumeClaimTemplates: [
      {
        metadata: { name: 'data' },
        spec: { accessModes: ['ReadWriteOnce'], resources: { requests: { storage: '1Gi' } } },
      },
    ],
    ...spec,
  },
});

const named = async (cluster: TestCluster): Promise<Pod[]> =>
  (await cluster.listed(pods, inDefault)).sort((a, b) =>
    (a.metadata?.name ?? '').localeCompare(b.metadata?.name ?? ''),
  );

const settled = (cluster: TestCluster, replicas: number, image = 'web:1') =>
  cluster.until(`${replicas} pods of ${image}`, async () => {
    await cluster.makeReady();
    const all = await named(cluster);
    const { status } = await cluster.client.get(statefulSets, ref);
    const alike = all.every(({ spec }) => spec?.containers[0]?.image === image);
    return (
      alike &&
      all.length === replicas &&
      status?.updatedReplicas === replicas &&
      status.readyReplicas === replicas &&
      all
    );
  });

const setImage = (cluster: TestCluster, image: string) =>
  cluster.client.patch(statefulSets, ref, 'merge', { spec: { template: template('db', image) } });

const claimNames = async (cluster: TestCluster) =>
  (await cluster.listed(persistentVolumeClaims, inDefault)).map(({ metadata }) => metadata?.name).sort();

test('pods have names, host names and claims of their own, which stay when they are made anew', async (t) => {
  const cluster = await startTestCluster(t);
  await cluster.client.create(statefulSets, set(2));
  const all = await settled(cluster, 2);
  const [first] = all;
  assert.deepEqual(
    all.map(({ metadata, spec }) => [metadata?.name, spec?.hostname, spec?.subdomain]),
    [
      ['db-0', 'db-0', 'db'],
      ['db-1', 'db-1', 'db'],
    ],
  );
  assert.equal(first?.metadata?.labels?.['apps.kubernetes.io/pod-index'], '0');
  assert.deepEqual(
    first?.spec?.volumes?.find(({ name }) => name === 'data')?.persistentVolumeClaim?.claimName,
    'data-db-0',
  );
  await cluster.client.delete(pods, { ...inDefault, name: 'db-0' });
  const again = await cluster.until('another db-0', async () => {
    const [pod] = await named(cluster);
    return pod?.metadata?.name === 'db-0' && pod.metadata.uid !== first?.metadata?.uid && pod;
  });
  assert.equal(again.spec?.hostname, 'db-0');
  assert.deepEqual(await claimNames(cluster), ['data-db-0', 'data-db-1']);
});

test('each template is a revision, and a rollback makes an old one the newest', async (t) => {
  const cluster = await startTestCluster(t);
  await cluster.client.create(statefulSets, set(1));
  await settled(cluster, 1);
  await setImage(cluster, 'web:2');
  await settled(cluster, 1, 'web:2');
  const listed = async () =>
    (await cluster.listed(controllerRevisions, inDefault)).sort((a, b) => a.revision - b.revision);
  const [first, second] = await listed();
  assert.deepEqual([first?.revision, second?.revision], [1, 2]);
  assert.equal(first?.metadata?.annotations?.['kubernetes.io/change-cause'], 'first');
  // As `kubectl rollout undo` does.
  await cluster.client.patch(statefulSets, ref, 'strategic', (first as ControllerRevision).data);
  await settled(cluster, 1, 'web:1');
  assert.deepEqual(
    (await listed()).map(({ metadata, revision }) => [metadata?.name, revision]),
    [
      [second?.metadata?.name, 2],
      [first?.metadata?.name, 3],
    ],
  );
  const { status } = await cluster.client.get(statefulSets, ref);
  assert.equal(status?.updateRevision, first?.metadata?.name);
});

test('revisions beyond the limit go, oldest first', async (t) => {
  const cluster = await startTestCluster(t);
  await cluster.client.create(statefulSets, set(1, { revisionHistoryLimit: 1 }));
  await settled(cluster, 1);
  for (const image of ['web:2', 'web:3']) {
    await setImage(cluster, image);
    await settled(cluster, 1, image);
  }
  await cluster.until('two revisions', async () => {
    const all = await cluster.listed(controllerRevisions, inDefault);
    return all.length === 2 && all.every(({ revision }) => revision > 1);
  });
});

test('claims go with pods that were scaled away, and with the set, where their policy says so', async (t) => {
  const cluster = await startTestCluster(t);
  const persistentVolumeClaimRetentionPolicy = { whenScaled: 'Delete', whenDeleted: 'Delete' };
  await cluster.client.create(statefulSets, set(2, { persistentVolumeClaimRetentionPolicy }));
  await settled(cluster, 2);
  await cluster.client.patch(statefulSets, ref, 'merge', { spec: { replicas: 1 } });
  await cluster.until('one claim', async () => (await claimNames(cluster)).join() === 'data-db-0');
  await cluster.client.delete(statefulSets, ref);
  await cluster.until('no claim', async () => (await claimNames(cluster)).length === 0);
});

test('a claim that something else controls stays, and holds nobody up', async (t) => {
  const cluster = await startTestCluster(t);
  await cluster.client.create(statefulSets, set(2, { persistentVolumeClaimRetentionPolicy: { whenScaled: 'Delete' } }));
  await settled(cluster, 2);
  const other = await cluster.client.create(configMaps, { metadata: { ...inDefault, name: 'other' } });
  const { name = '', uid = '' } = other.metadata ?? {};
  const ownerReferences = [{ apiVersion: 'v1', kind: 'ConfigMap', name, uid, controller: true }];
  const claim = { ...inDefault, name: 'data-db-1' };
  await cluster.client.patch(persistentVolumeClaims, claim, 'merge', { metadata: { ownerReferences } });
  await cluster.client.patch(statefulSets, ref, 'merge', { spec: { replicas: 0 } });
  await cluster.until('no pods', async () => (await named(cluster)).length === 0);
  await cluster.until('one claim', async () => (await claimNames(cluster)).join() === 'data-db-1');
});
