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
    for (const path of ['/api', '/metrics', '/openapi/v2', '/', '/livez/ping']) {
      const { status, json } = await anonymous.get(path);
      assert.equal(status, 403, path);
      assert.equal(json.message, `forbidden: User "system:anonymous" cannot get path ${JSON.stringify(path)}`);
    }
    assert.equal(
      (await anonymous.get('/api/v1/pods')).json.message,
      'pods is forbidden: User "system:anonymous" cannot list resource "pods" in API group "" at the cluster scope',
    );
    for (const path of ['/api/v1/pods', '/readyz', '/api/v1/namespaces/default/pods/a/log']) {
      assert.equal((await withToken('a.b.c').get(path)).status, 401, 'who says something else must be believed');
    }
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

  it('of updates alone creates nothing, where a PUT could', async () => {
    const editor = await as('editor');
    await admin.post(`${RBAC}/namespaces/default/roles`, {
      metadata: { name: 'edits' },
      rules: [{ apiGroups: [''], resources: ['services'], verbs: ['update'] }],
    });
    await admin.post(`${RBAC}/namespaces/default/rolebindings`, {
      metadata: { name: 'edits' },
      roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'Role', name: 'edits' },
      subjects: [{ apiGroup: 'rbac.authorization.k8s.io', kind: 'User', name: 'editor' }],
    });
    const service = { metadata: { name: 'new' }, spec: { ports: [{ port: 80 }] } };
    const refused = await editor.put('/api/v1/namespaces/default/services/new', service);
    assert.deepEqual([refused.status, refused.json.reason], [403, 'Forbidden']);
    assert.match(refused.json.message, /^services "new" is forbidden: User "editor" cannot create resource "services"/);
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

  it('is lent to others only by who has it, or may escalate or bind', async () => {
    const lender = await as('lender');
    const apiGroup = 'rbac.authorization.k8s.io';
    const roles = `${RBAC}/namespaces/lending/roles`;
    const bindings = `${RBAC}/namespaces/lending/rolebindings`;
    await admin.post('/api/v1/namespaces', { metadata: { name: 'lending' } });
    const grant = async (name: string, rules: object[]) => {
      await admin.post(roles, { metadata: { name }, rules });
      const subjects = [{ apiGroup, kind: 'User', name: 'lender' }];
      await admin.post(bindings, { metadata: { name }, roleRef: { apiGroup, kind: 'Role', name }, subjects });
    };
    const managing = {
      apiGroups: [apiGroup],
      resources: ['roles', 'rolebindings'],
      verbs: ['create', 'update', 'patch'],
    };
    await grant('lender', [managing, { apiGroups: [''], resources: ['pods', 'pods/log'], verbs: ['get', 'list'] }]);

    const reading = { apiGroups: [''], resources: ['pods'], verbs: ['get'] };
    assert.equal((await lender.post(roles, { metadata: { name: 'reads' }, rules: [reading] })).status, 201);
    const writing = { apiGroups: ['', 'apps'], resources: ['pods'], verbs: ['get', 'delete', 'list'] };
    const refused = await lender.post(roles, { metadata: { name: 'writes' }, rules: [writing] });
    assert.equal(refused.status, 403);
    assert.equal(
      refused.json.message,
      'roles.rbac.authorization.k8s.io "writes" is forbidden: user "lender" (groups=["system:authenticated"]) is ' +
        'attempting to grant RBAC permissions not currently held:\n' +
        '{APIGroups:[""], Resources:["pods"], Verbs:["delete"]}\n' +
        '{APIGroups:["apps"], Resources:["pods"], Verbs:["get" "delete" "list"]}',
    );
    const more = await lender.patch(`${roles}/reads`, 'merge', { rules: [{ ...reading, verbs: ['*'] }] });
    assert.equal(more.status, 403, 'nor by a change');
    const labelled = await lender.patch(`${roles}/lender`, 'merge', { metadata: { annotations: { a: 'b' } } });
    assert.equal(labelled.status, 200, 'what grants nothing new is no escalation');

    const binding = (kind: string, name: string) => ({
      metadata: { name: `to-${name}` },
      roleRef: { apiGroup, kind, name },
      subjects: [{ apiGroup, kind: 'User', name: 'friend' }],
    });
    assert.equal((await lender.post(bindings, binding('Role', 'reads'))).status, 201);
    assert.equal((await lender.post(bindings, binding('ClusterRole', 'edit'))).status, 403);
    assert.equal((await lender.post(bindings, binding('ClusterRole', 'nobody'))).status, 404);
    await grant('binder', [
      { apiGroups: [apiGroup], resources: ['clusterroles'], resourceNames: ['edit'], verbs: ['bind'] },
    ]);
    assert.equal((await lender.post(bindings, binding('ClusterRole', 'edit'))).status, 201);
    await grant('escalator', [{ apiGroups: [apiGroup], resources: ['roles'], verbs: ['escalate'] }]);
    assert.equal((await lender.post(roles, { metadata: { name: 'writes' }, rules: [writing] })).status, 201);
  });

  it('comes with a bootstrap token, while it lasts and is for this', async () => {
    const data = {
      'token-id': 'abcdef',
      'token-secret': '0123456789abcdef',
      'usage-bootstrap-authentication': 'true',
      'auth-extra-groups': 'system:bootstrappers:kubeadm:default-node-token',
    };
    const path = '/api/v1/namespaces/kube-system/secrets';
    const secret = { metadata: { name: 'bootstrap-token-abcdef' }, type: 'bootstrap.kubernetes.io/token' };
    assert.equal((await admin.post(path, { ...secret, stringData: data })).status, 201);
    const self = '/apis/authentication.k8s.io/v1/selfsubjectreviews';
    const statusOf = async (token: string) => (await withToken(token).post(self, {})).status;
    const joining = withToken('abcdef.0123456789abcdef');
    assert.deepEqual((await joining.post(self, {})).json.status.userInfo, {
      username: 'system:bootstrap:abcdef',
      groups: ['system:bootstrappers', 'system:bootstrappers:kubeadm:default-node-token', 'system:authenticated'],
    });
    const review = await admin.post('/apis/authentication.k8s.io/v1/tokenreviews', {
      spec: { token: 'abcdef.0123456789abcdef' },
    });
    assert.equal(review.json.status.user.username, 'system:bootstrap:abcdef');
    assert.equal(await statusOf('abcdef.0123456789abcdeX'), 401);
    assert.equal(await statusOf('abcdeg.0123456789abcdef'), 401);
    const change = async (stringData: object) => {
      assert.equal((await admin.patch(`${path}/bootstrap-token-abcdef`, 'merge', { stringData })).status, 200);
      return (await joining.post(self, {})).status;
    };
    assert.equal(await change({ expiration: '2020-01-01T00:00:00Z' }), 401, 'its time is over');
    assert.equal(await change({ expiration: '2999-01-01T00:00:00Z' }), 201);
    assert.equal(await change({ expiration: 'tomorrow' }), 401, 'nobody knows when it is over');
    assert.equal(await change({ expiration: '', 'auth-extra-groups': 'system:masters' }), 401, 'a group of others');
    assert.equal(await change({ 'auth-extra-groups': '', 'usage-bootstrap-authentication': 'false' }), 401);
    assert.equal(await change({ 'usage-bootstrap-authentication': 'true' }), 201);
    await admin.delete(`${path}/bootstrap-token-abcdef`);
    assert.equal((await joining.post(self, {})).status, 401);
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
    const { 'authentication.kubernetes.io/credential-id': credential, ...extra } = self.json.status.userInfo.extra;
    assert.match(credential?.[0] ?? '', /^JTI=[-0-9a-f]{36}$/);
    assert.deepEqual(extra, {
      'authentication.kubernetes.io/pod-name': ['p'],
      'authentication.kubernetes.io/pod-uid': [uid],
    });
    const asTable = { accept: 'application/json;as=Table;v=v1;g=meta.k8s.io' };
    assert.equal((await account.post('/apis/authentication.k8s.io/v1/selfsubjectreviews', {}, asTable)).status, 406);
    const onNode = { kind: 'Node', apiVersion: 'v1', name: 'node-1' };
    const { token } = (await admin.post(path, { spec: { boundObjectRef: onNode } })).json.status;
    const nodes = await withToken(token).post('/apis/authentication.k8s.io/v1/selfsubjectreviews', {});
    assert.deepEqual(nodes.json.status.userInfo.extra['authentication.kubernetes.io/node-name'], ['node-1']);
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
