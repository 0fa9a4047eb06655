import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { startTestApiServer, type TestApiServer } from './testing.ts';
import { wireTo } from './wire.ts';

const RBAC = '/apis/rbac.authorization.k8s.io/v1';

describe('access', () => {
  let server: TestApiServer;
  let admin: ReturnType<typeof wireTo>;
  const opened: ReturnType<typeof wireTo>[] = [];
  const as = async (name: string, groups: string[] = []) => {
    const wire = wireTo(server, await server.certificate(name, groups));
    opened.push(wire);
    return wire;
  };
  const withToken = (token: string) => {
    const wire = wireTo(server, { token });
    opened.push(wire);
    return wire;
  };
  before(async () => {
    server = await startTestApiServer();
    admin = await as('root', ['system:masters']);
    await admin.post('/api/v1/namespaces/default/serviceaccounts', { metadata: { name: 'default' } });
  });
  after(async () => {
    for (const wire of opened) wire.close();
    await server.stop();
  });

  it('is open to nobody unknown, but for health and version', async () => {
    const anonymous = withToken('');
    assert.equal((await anonymous.get('/readyz')).text, 'ok');
    assert.match((await anonymous.get('/version')).json.gitVersion, /^v1\.36\./);
    for (const path of ['/api', '/api/v1/pods', '/metrics', '/openapi/v2', '/']) {
      assert.deepEqual((await anonymous.get(path)).json?.reason, 'Unauthorized', path);
    }
    assert.equal((await withToken('a.b.c').get('/api/v1/pods')).status, 401);
  });

  it('is denied in Kubernetes’ words where no role grants it', async () => {
    const jane = await as('jane');
    const { status, json } = await jane.get('/apis/apps/v1/namespaces/shop/deployments/web');
    assert.equal(status, 403);
    assert.equal(
      json.message,
      'deployments.apps "web" is forbidden: User "jane" cannot get resource "deployments" in API group "apps" in the namespace "shop"',
    );
    assert.equal(
      (await jane.get('/api/v1/nodes')).json.message,
      'nodes is forbidden: User "jane" cannot list resource "nodes" in API group "" at the cluster scope',
    );
    assert.equal((await jane.get('/apis')).status, 200, 'everybody known may look around');
  });

  it('is granted by roles, at once, and only where they are bound', async () => {
    const dev = await as('dev', ['developers']);
    assert.equal((await dev.get('/api/v1/namespaces/default/pods')).status, 403);
    await admin.post(`${RBAC}/namespaces/default/rolebindings`, {
      metadata: { name: 'devs' },
      roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'ClusterRole', name: 'view' },
      subjects: [{ kind: 'Group', apiGroup: 'rbac.authorization.k8s.io', name: 'developers' }],
    });
    assert.equal((await dev.get('/api/v1/namespaces/default/pods')).status, 200);
    assert.equal((await dev.get('/api/v1/namespaces/default/secrets')).status, 403);
    assert.equal((await dev.get('/api/v1/namespaces/kube-system/pods')).status, 403);
    const review = { spec: { resourceAttributes: { namespace: 'default', verb: 'list', resource: 'pods' } } };
    const asked = await dev.post('/apis/authorization.k8s.io/v1/selfsubjectaccessreviews', review);
    assert.equal(asked.json.status.allowed, true);
  });

  it('of a name covers lists of that name alone', async () => {
    const reader = await as('reader');
    await admin.post(`${RBAC}/namespaces/default/roles`, {
      metadata: { name: 'one' },
      rules: [{ apiGroups: [''], resources: ['configmaps'], resourceNames: ['one'], verbs: ['list'] }],
    });
    await admin.post(`${RBAC}/namespaces/default/rolebindings`, {
      metadata: { name: 'one' },
      roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'Role', name: 'one' },
      subjects: [{ apiGroup: 'rbac.authorization.k8s.io', kind: 'User', name: 'reader' }],
    });
    const path = '/api/v1/namespaces/default/configmaps';
    assert.equal((await reader.get(`${path}?fieldSelector=metadata.name%3Done`)).status, 200);
    for (const query of ['', '?fieldSelector=metadata.name%3Dtwo', '?fieldSelector=metadata.name!%3Done'])
      assert.equal((await reader.get(`${path}${query}`)).status, 403, query);
  });

  it('may be lent only by who is allowed to', async () => {
    const bill = { 'impersonate-user': 'bill', 'impersonate-group': 'system:masters' };
    const self = await admin.post(
      '/apis/authentication.k8s.io/v1/selfsubjectreviews',
      {},
      { 'impersonate-user': 'bill' },
    );
    assert.equal(self.json.status.userInfo.username, 'bill');
    assert.equal((await admin.get('/api/v1/nodes', { 'impersonate-user': 'bill' })).status, 403);
    const jane = await as('jane');
    assert.equal(
      (await jane.get('/api/v1/nodes', bill)).json.message,
      'users "bill" is forbidden: User "jane" cannot impersonate resource "users" in API group "" at the cluster scope',
    );
  });

  it('of a node ends at its own node', async () => {
    const node = await as('system:node:node-1', ['system:nodes']);
    assert.equal((await node.post('/api/v1/nodes', { metadata: { name: 'node-1' } })).status, 201);
    assert.equal((await node.patch('/api/v1/nodes/node-1/status', 'merge', { status: {} })).status, 200);
    await admin.post('/api/v1/nodes', { metadata: { name: 'node-2' } });
    assert.equal((await node.patch('/api/v1/nodes/node-2/status', 'merge', { status: {} })).status, 403);
    assert.equal((await node.get('/api/v1/services')).status, 200);
  });

  it('of a service account comes with a token, which ends with the pod it is bound to', async () => {
    const path = '/api/v1/namespaces/default/serviceaccounts/default/token';
    const pods = '/api/v1/namespaces/default/pods';
    const pod = await admin.post(pods, { metadata: { name: 'p' }, spec: { containers: [{ name: 'c', image: 'i' }] } });
    const { uid } = pod.json.metadata;
    const boundObjectRef = { kind: 'Pod', apiVersion: 'v1', name: 'p', uid };
    const ordered = await admin.post(path, { spec: { expirationSeconds: 3600, boundObjectRef } });
    assert.equal(ordered.status, 201);
    const account = withToken(ordered.json.status.token);
    const self = await account.post('/apis/authentication.k8s.io/v1/selfsubjectreviews', {});
    assert.equal(self.json.status.userInfo.username, 'system:serviceaccount:default:default');
    assert.deepEqual(self.json.status.userInfo.extra['authentication.kubernetes.io/pod-name'], ['p']);
    const other = await admin.post(path, { spec: { audiences: ['vault'] } });
    assert.equal(
      (await withToken(other.json.status.token).get('/api')).status,
      401,
      'a token for others is none for us',
    );
    await admin.delete(`${pods}/p`);
    assert.equal((await account.get('/api')).status, 401);
  });
});
