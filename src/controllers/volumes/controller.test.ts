import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { nodes, persistentVolumeClaims, persistentVolumes, pods, storageClasses } from '../../api/resource.ts';
import type { PersistentVolume, PersistentVolumeClaim, StorageClass } from '../../api/types.ts';
import { SELECTED_NODE } from '../../api/volumes.ts';
import { startTestCluster, type TestCluster } from '../testing.ts';
import { PROVISIONER } from './provisioner.ts';

const inDefault = { namespace: 'default' };
const data = { ...inDefault, name: 'data' };

type ClaimSpec = NonNullable<PersistentVolumeClaim['spec']>;

const claim = (spec: Partial<ClaimSpec> = {}, name = 'data'): PersistentVolumeClaim => ({
  metadata: { ...inDefault, name },
  spec: { accessModes: ['ReadWriteOnce'], resources: { requests: { storage: '1Gi' } }, ...spec },
});

const volume = (name: string, storage: string, spec: Partial<PersistentVolume['spec']> = {}): PersistentVolume => ({
  metadata: { name },
  spec: { accessModes: ['ReadWriteOnce'], capacity: { storage }, hostPath: { path: `/data/${name}` }, ...spec },
});

const storageClass = (name: string, more: Partial<StorageClass> = {}): StorageClass => ({
  metadata: { name },
  provisioner: PROVISIONER,
  ...more,
});

/** With folders that are only names. */
async function start(t: TestContext): Promise<TestCluster & { readonly folders: Set<string> }> {
  const folders = new Set<string>();
  const localVolumes = {
    async make(node: string, name: string) {
      folders.add(`${node}/${name}`);
      return `/volumes/${name}`;
    },
    async remove(node: string, name: string) {
      folders.delete(`${node}/${name}`);
    },
  };
  const cluster = await startTestCluster(t, { localVolumes });
  await cluster.client.create(nodes, { metadata: { name: 'a', labels: { 'kubernetes.io/hostname': 'a' } } });
  await cluster.client.patch(
    nodes,
    { name: 'a' },
    'merge',
    { status: { conditions: [{ type: 'Ready', status: 'True' }] } },
    'status',
  );
  return { ...cluster, folders };
}

const claimIn = (cluster: TestCluster, phase: string) =>
  cluster.until(`the claim is ${phase}`, async () => {
    const found = await cluster.client.get(persistentVolumeClaims, data);
    return found.status?.phase === phase && found;
  });
const volumeIn = (cluster: TestCluster, name: string, phase: string) =>
  cluster.until(`${name} is ${phase}`, async () => {
    const found = await cluster.client.get(persistentVolumes, { name });
    return found.status?.phase === phase && found;
  });

test('a claim takes the smallest volume that is large enough, and leaves it released', async (t) => {
  const cluster = await start(t);
  for (const [name, size] of Object.entries({ small: '500Mi', large: '5Gi', right: '2Gi' })) {
    await cluster.client.create(persistentVolumes, volume(name, size));
  }
  for (const name of ['small', 'large', 'right']) await volumeIn(cluster, name, 'Available');
  await cluster.client.create(persistentVolumeClaims, claim({ storageClassName: '' }));
  const bound = await claimIn(cluster, 'Bound');
  assert.equal(bound.spec?.volumeName, 'right');
  assert.equal(bound.status?.capacity?.storage, '2Gi');
  await cluster.client.delete(persistentVolumeClaims, data);
  await volumeIn(cluster, 'right', 'Released');
});

test('a claim takes a volume of its class of attributes, and says which one it has', async (t) => {
  const cluster = await start(t);
  await cluster.client.create(persistentVolumes, volume('plain', '1Gi'));
  const csi = { driver: 'disks.example.com', volumeHandle: 'gold' };
  const gold = volume('gold', '5Gi', { volumeAttributesClassName: 'gold', hostPath: undefined, csi });
  await cluster.client.create(persistentVolumes, gold);
  for (const name of ['plain', 'gold']) await volumeIn(cluster, name, 'Available');
  const spec = { storageClassName: '', volumeAttributesClassName: 'gold' };
  await cluster.client.create(persistentVolumeClaims, claim(spec));
  const bound = await claimIn(cluster, 'Bound');
  assert.equal(bound.spec?.volumeName, 'gold');
  assert.equal(bound.status?.currentVolumeAttributesClassName, 'gold');
  await cluster.client.patch(persistentVolumeClaims, data, 'merge', { spec: { volumeAttributesClassName: 'silver' } });
  await cluster.client.create(persistentVolumeClaims, claim({ storageClassName: '' }, 'other'));
  await volumeIn(cluster, 'plain', 'Bound');
  const asked = await cluster.client.get(persistentVolumeClaims, data);
  assert.equal(asked.status?.currentVolumeAttributesClassName, 'gold', 'until somebody has changed it');
});

test('two claims never share a volume', async (t) => {
  const cluster = await start(t);
  await cluster.client.create(persistentVolumes, volume('one', '1Gi'));
  await volumeIn(cluster, 'one', 'Available');
  const names = ['a', 'b', 'c', 'd'];
  await Promise.all(
    names.map((name) => cluster.client.create(persistentVolumeClaims, claim({ storageClassName: '' }, name))),
  );
  await volumeIn(cluster, 'one', 'Bound');
  const phases = await cluster.until('all phases', async () => {
    const all = await cluster.listed(persistentVolumeClaims, inDefault);
    const bound = all.filter(({ status }) => status?.phase === 'Bound');
    return bound.length > 0 && all.map(({ status }) => status?.phase).sort();
  });
  assert.deepEqual(phases, ['Bound', 'Pending', 'Pending', 'Pending']);
});

test('the default class makes a volume on a node, and its folder goes with the claim', async (t) => {
  const cluster = await start(t);
  const annotations = { 'storageclass.kubernetes.io/is-default-class': 'true' };
  await cluster.client.create(storageClasses, { ...storageClass('fast'), metadata: { name: 'fast', annotations } });
  await cluster.client.create(persistentVolumeClaims, claim());
  const bound = await claimIn(cluster, 'Bound');
  assert.equal(bound.spec?.storageClassName, 'fast');
  const name = bound.spec?.volumeName ?? '';
  const made = await volumeIn(cluster, name, 'Bound');
  assert.equal(made.spec?.local?.path, `/volumes/${name}`);
  assert.equal(made.spec?.persistentVolumeReclaimPolicy, 'Delete');
  assert.deepEqual([...cluster.folders], [`a/${name}`]);
  await cluster.client.delete(persistentVolumeClaims, data);
  await cluster.until('no volume', async () => (await cluster.listed(persistentVolumes)).length === 0);
  assert.equal(cluster.folders.size, 0);
});

test('a claim grows where its class lets it, and never shrinks', async (t) => {
  const cluster = await start(t);
  const { client } = cluster;
  await client.create(storageClasses, storageClass('grows', { allowVolumeExpansion: true }));
  await client.create(persistentVolumeClaims, claim({ storageClassName: 'grows' }));
  const { spec } = await claimIn(cluster, 'Bound');
  const ask = (storage: string) =>
    client.patch(persistentVolumeClaims, data, 'merge', { spec: { resources: { requests: { storage } } } });
  await ask('3Gi');
  await cluster.until('the room', async () => {
    const { status } = await client.get(persistentVolumeClaims, data);
    return status?.capacity?.storage === '3Gi';
  });
  assert.equal((await client.get(persistentVolumes, { name: spec?.volumeName ?? '' })).spec?.capacity?.storage, '3Gi');
  await assert.rejects(ask('1Gi'), /field can not be less than status.capacity/);
  await client.patch(storageClasses, { name: 'grows' }, 'merge', { allowVolumeExpansion: false });
  await assert.rejects(
    ask('5Gi'),
    /persistentvolumeclaims "data" is forbidden: only dynamically provisioned pvc can be resized and the storageclass that provisions the pvc must support resize/,
  );
});

test('a class that waits for a consumer makes nothing until the scheduler has chosen a node', async (t) => {
  const cluster = await start(t);
  await cluster.client.create(storageClasses, storageClass('late', { volumeBindingMode: 'WaitForFirstConsumer' }));
  await cluster.client.create(persistentVolumeClaims, claim({ storageClassName: 'late' }));
  await claimIn(cluster, 'Pending');
  assert.equal(cluster.folders.size, 0);
  await cluster.client.patch(persistentVolumeClaims, data, 'merge', {
    metadata: { annotations: { [SELECTED_NODE]: 'a' } },
  });
  await claimIn(cluster, 'Bound');
});

test('a claim and its volume stay while a pod uses them', async (t) => {
  const cluster = await start(t);
  await cluster.client.create(storageClasses, storageClass('fast'));
  await cluster.client.create(persistentVolumeClaims, claim({ storageClassName: 'fast' }));
  const name = (await claimIn(cluster, 'Bound')).spec?.volumeName ?? '';
  const user = { ...inDefault, name: 'user' };
  const volumes = [{ name: 'data', persistentVolumeClaim: { claimName: 'data' } }];
  await cluster.until('the pod', () =>
    cluster.client.create(pods, {
      metadata: { ...user },
      spec: { nodeName: 'a', containers: [{ name: 'c', image: 'i' }], volumes },
    }),
  );
  await cluster.client.delete(persistentVolumeClaims, data);
  await cluster.client.delete(persistentVolumes, { name });
  assert.ok((await cluster.client.get(persistentVolumeClaims, data)).metadata?.deletionTimestamp);
  await cluster.client.delete(pods, user, { gracePeriodSeconds: 0 });
  await cluster.until('nothing', async () => {
    const left = [...(await cluster.listed(persistentVolumeClaims)), ...(await cluster.listed(persistentVolumes))];
    return left.length === 0;
  });
});

test('a claim whose volume is gone says so', async (t) => {
  const cluster = await start(t);
  await cluster.client.create(persistentVolumes, volume('one', '1Gi'));
  await cluster.client.create(persistentVolumeClaims, claim({ storageClassName: '', volumeName: 'one' }));
  await claimIn(cluster, 'Bound');
  await cluster.client.patch(persistentVolumes, { name: 'one' }, 'merge', { metadata: { finalizers: null } });
  await cluster.client.delete(persistentVolumes, { name: 'one' });
  await claimIn(cluster, 'Lost');
});

test('an ephemeral volume gets a claim that goes with its pod', async (t) => {
  const cluster = await start(t);
  const volumeClaimTemplate = { spec: claim({ storageClassName: '' }).spec ?? {} };
  await cluster.until('the pod', () =>
    cluster.client.create(pods, {
      metadata: { ...inDefault, name: 'job' },
      spec: {
        containers: [{ name: 'c', image: 'i' }],
        volumes: [{ name: 'scratch', ephemeral: { volumeClaimTemplate } }],
      },
    }),
  );
  const ref = { ...inDefault, name: 'job-scratch' };
  const made = await cluster.until('the claim', () => cluster.client.get(persistentVolumeClaims, ref));
  assert.equal(made.metadata?.ownerReferences?.[0]?.name, 'job');
  await cluster.client.delete(pods, { ...inDefault, name: 'job' }, { gracePeriodSeconds: 0 });
  await cluster.until('no claim', async () => (await cluster.listed(persistentVolumeClaims)).length === 0);
});
