import assert from 'node:assert/strict';
import { once } from 'node:events';
import type { IncomingMessage } from 'node:http';
import { request } from 'node:https';
import { text } from 'node:stream/consumers';
import { after, before, test } from 'node:test';
import { endpointSlices, pods, type Resource, serviceAccounts, services } from '../../api/resource.ts';
import type { Role, RoleBinding } from '../../api/types.ts';
import { dialUpgrade, UpgradeRefused } from '../../base/upgrade.ts';
import { type Client, createClient, httpsTransport } from '../../client/index.ts';
import { startTestApiServer, type TestApiServer } from '../testing.ts';
import type { ClientTls } from './target.ts';

const rbac = { group: 'rbac.authorization.k8s.io', version: 'v1', namespaced: true };

let api: TestApiServer;
let admin: ClientTls;
let client: Client;

before(async () => {
  api = await startTestApiServer();
  admin = { cert: api.adminCert, key: api.adminKey, ca: api.ca };
  client = createClient(httpsTransport({ server: api.url, ...admin }));
  await client.create(serviceAccounts, { metadata: { name: 'default', namespace: 'default' } });
  await client.create(pods, {
    metadata: { name: 'pending', namespace: 'default' },
    spec: { containers: [{ name: 'c', image: 'x' }] },
  });
  await client.create(services, {
    metadata: { name: 'web', namespace: 'default' },
    spec: { ports: [{ port: 80 }] },
  });
  await client.create(endpointSlices, {
    metadata: { name: 'web-1', namespace: 'default', labels: { 'kubernetes.io/service-name': 'web' } },
    addressType: 'IPv4',
    endpoints: [{ addresses: ['192.0.2.1'], conditions: { ready: true } }],
    ports: [{ port: 8080, name: '' }],
  });
});
after(async () => {
  await api.stop();
});

async function get(
  path: string,
  credentials = admin,
  method = 'GET',
): Promise<{ status?: number; location?: string; body: string }> {
  const call = request(`${api.url}/api/v1/namespaces/default/${path}`, { ...credentials, method, agent: false }).end();
  const [response] = (await once(call, 'response')) as [IncomingMessage];
  return { status: response.statusCode, location: response.headers.location, body: await text(response) };
}

test('the root of what is reached through a proxy has a slash, for the relative links of pages', async () => {
  for (const method of ['GET', 'HEAD']) {
    const { status, location } = await get('services/web/proxy?a=b', admin, method);
    assert.deepEqual([status, location], [301, '/api/v1/namespaces/default/services/web/proxy/?a=b']);
  }
});

test('the log of a pod that is on no node is empty; exec in it says why not', async () => {
  assert.equal((await get('pods/pending/log')).status, 204);
  const refused = await get('pods/pending/exec?command=true');
  assert.match(refused.body, /pod pending does not have a host assigned/);
});

const roles: Resource<Role> = { ...rbac, kind: 'Role', plural: 'roles' };
const roleBindings: Resource<RoleBinding> = { ...rbac, kind: 'RoleBinding', plural: 'rolebindings' };

test('who may only read must not run commands, though a WebSocket begins with a GET', async () => {
  const alice = await api.certificate('alice');
  const attempt = () => {
    const { hostname: host, port } = new URL(api.url);
    const path = '/api/v1/namespaces/default/pods/pending/exec?command=true&stdout=true';
    const headers = ['Host', host, 'Connection', 'Upgrade', 'Upgrade', 'websocket'];
    return dialUpgrade({
      ...alice,
      protocol: 'https:',
      ca: api.ca,
      host,
      port,
      path,
      method: 'GET',
      headers,
      timeoutMs: 30_000,
    });
  };
  const says = (message: RegExp) => (error: unknown) => error instanceof UpgradeRefused && message.test(error.body);
  await assert.rejects(attempt(), says(/User \\"alice\\" cannot get resource \\"pods\/exec\\"/));
  const metadata = { name: 'exec', namespace: 'default' };
  const role = await client.create(roles, {
    metadata,
    rules: [{ apiGroups: [''], resources: ['pods/exec'], verbs: ['get'] }],
  });
  await client.create(roleBindings, {
    metadata,
    roleRef: { apiGroup: rbac.group, kind: 'Role', name: 'exec' },
    subjects: [{ apiGroup: rbac.group, kind: 'User', name: 'alice' }],
  });
  await assert.rejects(attempt(), says(/User \\"alice\\" cannot create resource \\"pods\/exec\\"/));
  await client.update(roles, {
    ...role,
    rules: [{ apiGroups: [''], resources: ['pods/exec'], verbs: ['get', 'create'] }],
  });
  await assert.rejects(attempt(), says(/does not have a host assigned/));
});
