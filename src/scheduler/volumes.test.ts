import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import {
  nodes,
  persistentVolumeClaims,
  persistentVolumes,
  pods,
  serviceAccounts,
  storageClasses,
} from '../api/resource.ts';
import type { PersistentVolume, PersistentVolumeClaim } from '../api/types.ts';
import { BIND_COMPLETED, NO_PROVISIONER, SELECTED_NODE } from '../api/volumes.ts';
import { startTestApiServer } from '../apiserver/testing.ts';
import { createLog } from '../base/log.ts';
import { waitFor } from '../base/wait.ts';
import { httpsTransport } from '../client/https.ts';
import { createInformers } from '../client/informers.ts';
import { createClient } from '../client/requests.ts';
import { node, pod } from './fixtures.ts';
import { startScheduler } from './scheduler.ts';

const log = createLog('scheduler-test', () => undefined);
const namespace = 'default';

/** A scheduler with the nodes a and b, and a class that waits for consumers. Binding is left to the test. */
async function start(t: TestContext, provisioner: string) {
  const server = await startTestApiServer();
  const transport = httpsTransport({ server: server.url, ca: server.ca, cert: server.adminCert, key: server.adminKey });
  const client = createClient(transport);
  await client.create(serviceAccounts, { metadata: { name: 'default', namespace } });
  for (const name of ['a', 'b']) {
    const { status, ...rest } = node(name);
    await client.create(nodes, rest);
    await client.patch(nodes, { name }, 'merge', { status }, 'status');
  }
  const volumeBindingMode = 'WaitForFirstConsumer';
  await client.create(storageClasses, { metadata: { name: 'late' }, provisioner, volumeBindingMode });
  const informers = createInformers(client, log);
  const scheduler = await startScheduler({ client, informers, log });
  t.after(async () => {
    await scheduler.stop();
    await informers.stop();
    await transport.close();
    await server.stop();
  });
  const ref = (name: string) => ({ namespace, name });
  const until = <T>(what: string, look: () => Promise<T>) => waitFor(look, { what, timeoutMs: 30_000, intervalMs: 5 });
  return {
    client,
    claim: (name = 'data', spec: Partial<PersistentVolumeClaim['spec']> = {}) =>
      client.create(persistentVolumeClaims, {
        metadata: { ...ref(name) },
        spec: {
          accessModes: ['ReadWriteOnce'],
          resources: { requests: { storage: '1Gi' } },
          storageClassName: 'late',
          ...spec,
        },
      }),
    /** A volume that can be used on the node `b` only. */
    async volumeOnB(name: string): Promise<void> {
      const matchExpressions = [{ key: 'kubernetes.io/hostname', operator: 'In', values: ['b'] }];
      const volume: PersistentVolume = {
        metadata: { name },
        spec: {
          accessModes: ['ReadWriteOnce'],
          capacity: { storage: '1Gi' },
          storageClassName: 'late',
          local: { path: '/data' },
          nodeAffinity: { required: { nodeSelectorTerms: [{ matchExpressions }] } },
        },
      };
      await client.create(persistentVolumes, volume);
      await client.patch(persistentVolumes, { name }, 'merge', { status: { phase: 'Available' } }, 'status');
    },
    /** What the volume controller would do. */
    bind: (name: string, volumeName: string) =>
      client.patch(persistentVolumeClaims, ref(name), 'merge', {
        metadata: { annotations: { [BIND_COMPLETED]: 'yes' } },
        spec: { volumeName },
      }),
    pod: (name: string, claimName: string) =>
      client.create(pods, pod(name, { volumes: [{ name: 'v', persistentVolumeClaim: { claimName } }] })),
    until,
    nodeOf: (name: string) =>
      until(`a node of ${name}`, async () => (await client.get(pods, ref(name))).spec?.nodeName),
    whyNot: (name: string, pattern: RegExp) =>
      until(`${name} to wait`, async () => {
        const { status } = await client.get(pods, ref(name));
        const message = status?.conditions?.find(({ type }) => type === 'PodScheduled')?.message;
        return message !== undefined && pattern.test(message) && message;
      }),
  };
}

test('a claim without a volume gets one on the node that is chosen, before the pod is bound', async (t) => {
  const { client, claim, pod: create, until, bind, nodeOf } = await start(t, 'somebody.example/else');
  await claim();
  await create('p', 'data');
  const selected = await until('a node for the claim', async () => {
    const { metadata } = await client.get(persistentVolumeClaims, { namespace, name: 'data' });
    return metadata?.annotations?.[SELECTED_NODE];
  });
  assert.equal((await client.get(pods, { namespace, name: 'p' })).spec?.nodeName, undefined);
  const path = '/data';
  await client.create(persistentVolumes, {
    metadata: { name: 'made' },
    spec: {
      accessModes: ['ReadWriteOnce'],
      capacity: { storage: '1Gi' },
      hostPath: { path },
      storageClassName: 'late',
    },
  });
  await bind('data', 'made');
  assert.equal(await nodeOf('p'), selected);
});

test('a pod goes where a volume for its claim is, and two claims do not get one volume', async (t) => {
  const { client, claim, pod: create, until, volumeOnB, bind, nodeOf, whyNot } = await start(t, NO_PROVISIONER);
  await volumeOnB('one');
  await claim('first');
  await claim('second');
  await create('p', 'first');
  const kept = await until('the volume to be kept', async () => {
    const { spec } = await client.get(persistentVolumes, { name: 'one' });
    return spec?.claimRef?.name;
  });
  assert.equal(kept, 'first');
  await bind('first', 'one');
  assert.equal(await nodeOf('p'), 'b');
  await create('q', 'second');
  await whyNot('q', /^0\/2 nodes are available: 2 node\(s\) didn't find available persistent volumes to bind\./);
  await volumeOnB('two');
  await until('the second volume to be kept', async () => {
    const { spec } = await client.get(persistentVolumes, { name: 'two' });
    return spec?.claimRef?.name === 'second';
  });
});

test('a pod waits for its claim, and says so', async (t) => {
  const { claim, pod: create, volumeOnB, bind, nodeOf, whyNot } = await start(t, NO_PROVISIONER);
  await create('p', 'data');
  await whyNot('p', /^0\/2 nodes are available: persistentvolumeclaim "data" not found\./);
  await claim('data', { storageClassName: '' });
  await whyNot('p', /^0\/2 nodes are available: pod has unbound immediate PersistentVolumeClaims\./);
  await volumeOnB('one');
  await bind('data', 'one');
  assert.equal(await nodeOf('p'), 'b');
});

test('a pod stays in the zone of its volume, where nodes tell theirs', async (t) => {
  const { client, claim, pod: create, bind, nodeOf, whyNot } = await start(t, NO_PROVISIONER);
  const zone = 'topology.kubernetes.io/zone';
  const inZone = (name: string, value: string) =>
    client.patch(nodes, { name }, 'merge', { metadata: { labels: { [zone]: value } } });
  await inZone('a', 'north');
  await inZone('b', 'south');
  await claim('data', { storageClassName: '' });
  await client.create(persistentVolumes, {
    metadata: { name: 'far', labels: { [zone]: 'east__west' } },
    spec: { accessModes: ['ReadWriteOnce'], capacity: { storage: '1Gi' }, hostPath: { path: '/data' } },
  });
  await bind('data', 'far');
  await create('p', 'data');
  await whyNot('p', /^0\/2 nodes are available: 2 node\(s\) had no available volume zone\./);
  await inZone('b', 'west');
  assert.equal(await nodeOf('p'), 'b');
});

test('a claim of one pod is not given to a second', async (t) => {
  const { client, claim, pod: create, volumeOnB, bind, nodeOf, whyNot } = await start(t, NO_PROVISIONER);
  await claim('data', { storageClassName: '', accessModes: ['ReadWriteOncePod'] });
  await volumeOnB('one');
  await bind('data', 'one');
  await create('p', 'data');
  await nodeOf('p');
  await create('q', 'data');
  await whyNot('q', /2 node has pod using PersistentVolumeClaim with the same name and ReadWriteOncePod access mode/);
  await client.delete(pods, { namespace, name: 'p' }, { gracePeriodSeconds: 0 });
  await nodeOf('q');
});
