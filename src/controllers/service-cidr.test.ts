import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ipAddresses, serviceCIDRs, services } from '../api/resource.ts';
import type { ServiceCIDR } from '../api/types.ts';
import { ApiError } from '../client/client.ts';
import { startTestCluster, type TestCluster } from './testing.ts';

const readyOf = ({ status }: ServiceCIDR) => status?.conditions?.find(({ type }) => type === 'Ready');

async function addRange({ client, until }: TestCluster, name: string, ...cidrs: string[]): Promise<void> {
  await client.create(serviceCIDRs, { metadata: { name }, spec: { cidrs } });
  await until(`${name} to be ready`, async () => readyOf(await client.get(serviceCIDRs, { name }))?.status === 'True');
}

const gone = ({ client, until }: TestCluster, name: string) =>
  until(`${name} to go`, () => client.get(serviceCIDRs, { name }).then(() => false, isNotFound));

const isNotFound = (error: unknown): boolean => error instanceof ApiError && error.code === 404;

const service = (name: string, clusterIP: string) => ({
  metadata: { name, namespace: 'default' },
  spec: { clusterIP, ports: [{ port: 80 }] },
});

test('a ServiceCIDR that is deleted stays while an address depends on it, and gives no more', async (t) => {
  const cluster = await startTestCluster(t, { serviceCIDRGracePeriodMs: 0 });
  const { client, until } = cluster;
  await addRange(cluster, 'more', '203.0.113.0/24');
  const more = await client.get(serviceCIDRs, { name: 'more' });
  assert.deepEqual(more.metadata?.finalizers, ['networking.k8s.io/service-cidr-finalizer']);
  await client.create(services, service('web', '203.0.113.10'));
  await client.delete(serviceCIDRs, { name: 'more' });
  const kept = await until('the reason', async () => {
    const ready = readyOf(await client.get(serviceCIDRs, { name: 'more' }));
    return ready?.status === 'False' && ready;
  });
  assert.equal(kept.reason, 'Terminating');
  assert.match(kept.message, /still IPAddresses referencing the ServiceCIDR/);
  const refused = client.create(services, service('late', '203.0.113.11'));
  await assert.rejects(refused, /the provided network does not match the current range/);
  await client.delete(services, { namespace: 'default', name: 'web' });
  await gone(cluster, 'more');
});

test('a ServiceCIDR may go at once where others have its addresses, but not the last of them', async (t) => {
  const cluster = await startTestCluster(t, { serviceCIDRGracePeriodMs: 0 });
  const { client, until } = cluster;
  await addRange(cluster, 'small', '203.0.113.0/24');
  await client.create(services, service('web', '203.0.113.10'));
  await addRange(cluster, 'large', '203.0.112.0/23');
  await client.delete(serviceCIDRs, { name: 'small' });
  await gone(cluster, 'small');
  await client.delete(serviceCIDRs, { name: 'large' });
  await until('large to be kept', async () => {
    return readyOf(await client.get(serviceCIDRs, { name: 'large' }))?.reason === 'Terminating';
  });
  await addRange(cluster, 'again', '203.0.113.0/24');
  await gone(cluster, 'large');
  assert.equal((await client.get(ipAddresses, { name: '203.0.113.10' })).spec?.parentRef.name, 'web');
});

test('the ServiceCIDR of the cluster stays while the API server has its address from it', async (t) => {
  const { client, until } = await startTestCluster(t, { serviceCIDRGracePeriodMs: 0 });
  const name = 'kubernetes';
  assert.equal(readyOf(await client.get(serviceCIDRs, { name }))?.status, 'True');
  await client.delete(serviceCIDRs, { name });
  await until('it to be kept', async () => {
    return readyOf(await client.get(serviceCIDRs, { name }))?.reason === 'Terminating';
  });
  await assert.rejects(
    client.create(services, { metadata: { name: 'web', namespace: 'default' }, spec: { ports: [{ port: 80 }] } }),
    /range is full/,
  );
});
