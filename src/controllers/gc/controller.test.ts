import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { configMaps, deployments, events, namespaces, pods, type Resource, replicaSets } from '../../api/resource.ts';
import type { ConfigMap, KubeObject } from '../../api/types.ts';
import { startTestApiServer } from '../../apiserver/testing.ts';
import { createLog } from '../../base/log.ts';
import { waitFor } from '../../base/wait.ts';
import type { Client } from '../../client/client.ts';
import { httpsTransport } from '../../client/https.ts';
import { createInformers } from '../../client/informers.ts';
import { createClient } from '../../client/requests.ts';
import { startControllers } from '../index.ts';
import { deployment, startTestCluster, type TestCluster } from '../testing.ts';

const ref = { namespace: 'default', name: 'web' };
const inDefault = { namespace: 'default' };

async function withPods(cluster: TestCluster): Promise<void> {
  await cluster.client.create(deployments, deployment('web', 2));
  await cluster.until('two pods', async () => (await cluster.listed(pods, inDefault)).length === 2);
}

const gone = (cluster: TestCluster, resource: Resource) =>
  cluster.until(`no ${resource.plural}`, async () => (await cluster.listed(resource, inDefault)).length === 0);

const owned = (name: string, owner: KubeObject, namespace = 'default'): ConfigMap => ({
  metadata: {
    name,
    namespace,
    ownerReferences: [
      { apiVersion: 'v1', kind: 'ConfigMap', name: owner.metadata?.name ?? '', uid: owner.metadata?.uid ?? '' },
    ],
  },
});

test('what a Deployment made goes with it', async (t) => {
  const cluster = await startTestCluster(t);
  await withPods(cluster);
  await cluster.client.delete(deployments, ref, { propagationPolicy: 'Background' });
  await gone(cluster, replicaSets);
  await gone(cluster, pods);
});

test('deleted in the foreground, a Deployment is the last to go', async (t) => {
  const cluster = await startTestCluster(t);
  await withPods(cluster);
  const finalizers = ['test/hold'];
  const [pod] = await cluster.listed(pods, inDefault);
  const name = pod?.metadata?.name ?? '';
  await cluster.client.patch(pods, { ...inDefault, name }, 'merge', { metadata: { finalizers } });
  await cluster.client.delete(deployments, ref, { propagationPolicy: 'Foreground' });
  await cluster.until('one pod', async () => (await cluster.listed(pods, inDefault)).length === 1);
  assert.ok((await cluster.client.get(deployments, ref)).metadata?.deletionTimestamp);
  assert.equal((await cluster.listed(replicaSets, inDefault)).length, 1);
  await cluster.client.patch(pods, { ...inDefault, name }, 'merge', { metadata: { finalizers: null } });
  await gone(cluster, deployments);
  assert.equal((await cluster.listed(replicaSets, inDefault)).length, 0);
});

test('orphaned, a ReplicaSet stays and has no owner', async (t) => {
  const cluster = await startTestCluster(t);
  await withPods(cluster);
  await cluster.client.delete(deployments, ref, { propagationPolicy: 'Orphan' });
  await gone(cluster, deployments);
  const [set] = await cluster.listed(replicaSets, inDefault);
  assert.equal(set?.metadata?.ownerReferences?.length ?? 0, 0);
  assert.equal((await cluster.listed(pods, inDefault)).length, 2);
});

test('an object with two owners goes with the second', async (t) => {
  const { client, until, listed } = await startTestCluster(t);
  const make = (name: string) => client.create(configMaps, { metadata: { name, namespace: 'default' } });
  const [a, b] = [await make('a'), await make('b')];
  const both = owned('both', a);
  both.metadata?.ownerReferences?.push(...(owned('', b).metadata?.ownerReferences ?? []));
  await client.create(configMaps, both);
  await client.delete(configMaps, { ...inDefault, name: 'a' });
  await until('one owner', async () => {
    const present = await client.get(configMaps, { ...inDefault, name: 'both' });
    return present.metadata?.ownerReferences?.length === 1;
  });
  await client.delete(configMaps, { ...inDefault, name: 'b' });
  await until(
    'its end',
    async () => !(await listed(configMaps, inDefault)).some(({ metadata }) => metadata?.name === 'both'),
  );
});

test('an owner in another namespace is none, and an event says so', async (t) => {
  const { client, until, listed } = await startTestCluster(t);
  await client.create(namespaces, { metadata: { name: 'other' } });
  const owner = await client.create(configMaps, { metadata: { name: 'owner', namespace: 'other' } });
  await client.create(configMaps, owned('child', owner));
  await until('the event', async () =>
    (await listed(events, inDefault)).some(({ reason }) => reason === 'OwnerRefInvalidNamespace'),
  );
  await until(
    'its end',
    async () => !(await listed(configMaps, inDefault)).some(({ metadata }) => metadata?.name === 'child'),
  );
});

test('what lost its owner while nobody watched is collected at the start', async (t) => {
  const { client, run } = await withoutControllers(t);
  const make = (name: string) => client.create(configMaps, { metadata: { name, namespace: 'default' } });
  const [kept, lost] = [await make('kept'), await make('lost')];
  await client.create(configMaps, owned('of-kept', kept));
  await client.create(configMaps, owned('of-lost', lost));
  await client.delete(configMaps, { ...inDefault, name: 'lost' });
  await run(client);
  const names = async () => (await client.list(configMaps, inDefault)).items.map(({ metadata }) => metadata?.name);
  const look = async () => !(await names()).includes('of-lost');
  await waitFor(look, { what: 'its end', timeoutMs: 30_000 });
  assert.ok((await names()).includes('of-kept'));
});

test('what is given a new owner in the moment in which it would be collected stays', async (t) => {
  const { client, run } = await withoutControllers(t);
  const make = (name: string) => client.create(configMaps, { metadata: { name, namespace: 'default' } });
  const [lost, finder] = [await make('lost'), await make('finder')];
  await client.create(configMaps, owned('found', lost));
  await client.create(configMaps, owned('renamed', lost));
  await client.delete(configMaps, { ...inDefault, name: 'lost' });
  const { ownerReferences } = owned('', finder).metadata ?? {};
  const changes: Record<string, KubeObject['metadata']> = {
    found: { ownerReferences },
    renamed: { labels: { a: 'b' } },
  };
  const tried: string[] = [];
  await run({
    ...client,
    async delete(resource, ref, options) {
      const metadata = changes[ref.name];
      delete changes[ref.name];
      if (metadata) await client.patch(configMaps, ref, 'merge', { metadata });
      tried.push(ref.name);
      return await client.delete(resource, ref, options);
    },
  });
  const left = async () => (await client.list(configMaps, inDefault)).items.map(({ metadata }) => metadata?.name);
  const look = async () => tried.includes('found') && !(await left()).includes('renamed');
  await waitFor(look, { what: 'the end of the one without an owner', timeoutMs: 30_000 });
  assert.ok((await left()).includes('found'));
});

/** An API server, and what runs controllers on it by a client of one's choice. */
async function withoutControllers(t: TestContext) {
  const server = await startTestApiServer();
  const transport = httpsTransport({ server: server.url, ca: server.ca, cert: server.adminCert, key: server.adminKey });
  let stop = async () => undefined as unknown;
  t.after(async () => {
    await stop();
    await transport.close();
    await server.stop();
  });
  const run = async (client: Client) => {
    const log = createLog('test', () => {});
    const informers = createInformers(client, log);
    const options = { client, informers, log, podCIDRs: ['10.244.0.0/16'], rootCA: 'the CA' };
    const controllers = await startControllers(options);
    stop = () => controllers.stop().then(informers.stop);
  };
  return { client: createClient(transport), run };
}

test('a circle of owners that block each other goes as a whole', async (t) => {
  const cluster = await startTestCluster(t);
  const names = ['one', 'two', 'three'];
  const made = await Promise.all(
    names.map((name) => cluster.client.create(configMaps, { metadata: { name, namespace: 'default' } })),
  );
  for (const [i, name] of names.entries()) {
    const owner = made[(i + 2) % 3];
    const ownerReferences = owned(name, owner!).metadata?.ownerReferences?.map((each) => ({
      ...each,
      blockOwnerDeletion: true,
    }));
    await cluster.client.patch(configMaps, { ...inDefault, name }, 'merge', { metadata: { ownerReferences } });
  }
  await cluster.client.delete(configMaps, { ...inDefault, name: 'one' }, { propagationPolicy: 'Foreground' });
  await cluster.until('none of them', async () =>
    (await cluster.listed(configMaps, inDefault)).every(({ metadata }) => !names.includes(metadata?.name ?? '')),
  );
});
