import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  clusterRoles,
  configMaps,
  endpointSlices,
  endpoints,
  secrets,
  serviceAccounts,
  services,
} from '../api/resource.ts';
import { startTestCluster } from './testing.ts';

const inDefault = { namespace: 'default' };

test('a Secret for a service account gets a token that lasts, and goes with the account', async (t) => {
  const { client, until, listed } = await startTestCluster(t);
  await client.create(serviceAccounts, { metadata: { ...inDefault, name: 'robot' } });
  const annotations = { 'kubernetes.io/service-account.name': 'robot' };
  const type = 'kubernetes.io/service-account-token';
  await client.create(secrets, { metadata: { ...inDefault, name: 'key', annotations }, type });
  const data = await until('the token', async () => {
    const found = await client.get(secrets, { ...inDefault, name: 'key' });
    return found.data?.token ? found.data : undefined;
  });
  const decoded = Buffer.from(data.token ?? '', 'base64').toString();
  const claims = JSON.parse(Buffer.from(decoded.split('.')[1] ?? '', 'base64url').toString());
  assert.equal(claims.sub, 'system:serviceaccount:default:robot');
  assert.ok(claims.exp - claims.iat > 100 * 365 * 86_400, 'a hundred years');
  assert.equal(Buffer.from(data['ca.crt'] ?? '', 'base64').toString(), 'the CA');
  await client.delete(serviceAccounts, { ...inDefault, name: 'robot' });
  await until('its end', async () => (await listed(secrets, inDefault)).length === 0);
});

test('a role that is labelled so is a part of another', async (t) => {
  const { client, until } = await startTestCluster(t);
  const labels = { 'rbac.authorization.k8s.io/aggregate-to-view': 'true' };
  const rule = { apiGroups: ['shop.example'], resources: ['carts'], verbs: ['get'] };
  await client.create(clusterRoles, { metadata: { name: 'carts', labels }, rules: [rule] });
  const rulesOf = async (name: string) => (await client.get(clusterRoles, { name })).rules ?? [];
  for (const name of ['view', 'edit', 'admin']) {
    const rules = await until(`carts in ${name}`, async () => {
      const found = await rulesOf(name);
      return found.some(({ apiGroups }) => apiGroups?.includes('shop.example')) && found;
    });
    assert.ok(
      rules.some(({ resources }) => resources?.includes('pods/log')),
      'and what it had',
    );
  }
  await client.delete(clusterRoles, { name: 'carts' });
  await until('no carts', async () => !(await rulesOf('view')).some(({ resources }) => resources?.includes('carts')));
});

test('Endpoints written by hand are mirrored, a slice for each family', async (t) => {
  const { client, until, listed } = await startTestCluster(t);
  const ref = { ...inDefault, name: 'db' };
  await client.create(services, { metadata: { ...ref }, spec: { ports: [{ port: 5432 }] } });
  const addresses = [{ ip: '192.0.2.1' }, { ip: '2001:db8::1' }];
  await client.create(endpoints, { metadata: { ...ref }, subsets: [{ addresses, ports: [{ port: 5432 }] }] });
  const mirrors = () => listed(endpointSlices, { ...inDefault, labelSelector: 'kubernetes.io/service-name=db' });
  const slices = await until('two slices', async () => {
    const all = await mirrors();
    return all.length === 2 && all;
  });
  assert.deepEqual(slices.map(({ addressType }) => addressType).sort(), ['IPv4', 'IPv6']);
  const gone = [{ addresses: [{ ip: '192.0.2.7' }], ports: [{ port: 5432 }] }];
  await client.patch(endpoints, ref, 'merge', { subsets: gone });
  await until('the new address', async () => {
    const all = await mirrors();
    return all.length === 1 && all[0]?.endpoints?.[0]?.addresses[0] === '192.0.2.7';
  });
  await client.delete(endpoints, ref);
  await until('no slice', async () => (await mirrors()).length === 0);
});

test('a bootstrap token signs where the cluster is, and goes when its time is over', async (t) => {
  const { client, until, listed } = await startTestCluster(t);
  const kubeconfig = '{"clusters":[]}';
  const info = { namespace: 'kube-public', name: 'cluster-info' };
  await client.create(configMaps, {
    metadata: info,
    data: { kubeconfig, other: 'kept', 'jws-kubeconfig-gone00': 'x' },
  });
  const token = (id: string, more: Record<string, string>) => ({
    metadata: { namespace: 'kube-system', name: `bootstrap-token-${id}` },
    type: 'bootstrap.kubernetes.io/token',
    stringData: { 'token-id': id, 'token-secret': '0123456789abcdef', ...more },
  });
  await client.create(secrets, token('abcdef', { 'usage-bootstrap-signing': 'true' }));
  await client.create(secrets, token('silent', {}));
  const expiration = new Date(Date.now() + 1_500).toISOString();
  await client.create(secrets, token('passes', { 'usage-bootstrap-signing': 'true', expiration }));
  const signed = async () => (await client.get(configMaps, info)).data ?? {};
  const names = async () => Object.keys(await signed()).sort();
  // What Kubernetes' cluster-bootstrap library makes of the same.
  const header = 'eyJhbGciOiJIUzI1NiIsImtpZCI6ImFiY2RlZiJ9';
  await until('the signature', async () => (await signed())['jws-kubeconfig-abcdef']?.startsWith(`${header}..`));
  assert.equal((await signed())['jws-kubeconfig-abcdef'], `${header}..d7g1j3bGNJsnTXeeVhj10n_ahdSHj6F0quleSsC8kKA`);
  await until(
    'the end of the one that passes',
    async () => (await listed(secrets, { namespace: 'kube-system' })).length === 2,
  );
  await until('and of its signature', async () => (await names()).join() === 'jws-kubeconfig-abcdef,kubeconfig,other');
});
