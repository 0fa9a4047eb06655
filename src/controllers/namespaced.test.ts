import assert from 'node:assert/strict';
import { test } from 'node:test';
import { configMaps, namespaces, serviceAccounts } from '../api/resource.ts';
import { startTestCluster } from './testing.ts';

test('a namespace has a service account and the CA, also after they were deleted', async (t) => {
  const { client, until } = await startTestCluster(t);
  await client.create(namespaces, { metadata: { name: 'shop' } });
  const account = { namespace: 'shop', name: 'default' };
  const ca = { namespace: 'shop', name: 'kube-root-ca.crt' };
  const first = await until('the account', () => client.get(serviceAccounts, account));
  assert.equal((await until('the CA', () => client.get(configMaps, ca))).data?.['ca.crt'], 'the CA');
  await client.delete(serviceAccounts, account);
  await client.delete(configMaps, ca);
  const second = await until('another account', () => client.get(serviceAccounts, account));
  assert.notEqual(second.metadata?.uid, first.metadata?.uid);
  await until('the CA again', () => client.get(configMaps, ca));
});

test('a CA that somebody changed is put right', async (t) => {
  const { client, until } = await startTestCluster(t);
  const ca = { namespace: 'default', name: 'kube-root-ca.crt' };
  await until('the CA', () => client.get(configMaps, ca));
  await client.patch(configMaps, ca, 'merge', { data: { 'ca.crt': 'another' } });
  await until('the right CA', async () => (await client.get(configMaps, ca)).data?.['ca.crt'] === 'the CA');
});
