import assert from 'node:assert/strict';
import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { type TestContext, test } from 'node:test';
import { startTestApiServer } from '../../testing.ts';
import { wireTo } from '../../wire.ts';

interface Review {
  readonly request: {
    readonly uid: string;
    readonly operation: string;
    readonly object: { readonly metadata: { readonly name: string; readonly labels?: Record<string, string> } };
    readonly oldObject: unknown;
    readonly dryRun: boolean;
    readonly namespace: string;
    readonly userInfo: { readonly username: string };
    readonly kind: { readonly kind: string };
    readonly resource: { readonly resource: string };
    readonly subResource: string;
    readonly options: object | null;
  };
}

type Respond = (review: Review) => object;

const registration = '/apis/admissionregistration.k8s.io/v1';
const configMaps = '/api/v1/namespaces/default/configmaps';
const configMap = (name: string, labels?: object, data?: object) => ({ metadata: { name, labels }, data });
const allow: Respond = () => ({ allowed: true });
const patch = (...operations: object[]) => ({
  allowed: true,
  patchType: 'JSONPatch',
  patch: Buffer.from(JSON.stringify(operations)).toString('base64'),
});

/** An API server, and a webhook server behind a Service. */
async function startWithWebhooks(t: TestContext) {
  const server = await startTestApiServer();
  const wire = wireTo(server);
  const identity = await server.certificate('hooks.default.svc', [], ['hooks.default.svc']);
  const asked: Review[] = [];
  const responders = new Map<string, Respond>();
  const hooks = createServer(identity, async (req, res) => {
    const chunks: Buffer[] = [];
    for await (const chunk of req) chunks.push(chunk);
    const review: Review = JSON.parse(Buffer.concat(chunks).toString('utf8'));
    asked.push(review);
    const respond = responders.get((req.url ?? '').split('?')[0] ?? '') ?? allow;
    const response = { uid: review.request.uid, ...respond(review) };
    res.end(JSON.stringify({ kind: 'AdmissionReview', apiVersion: 'admission.k8s.io/v1', response }));
  });
  await new Promise<void>((resolve) => hooks.listen(0, 'localhost', resolve));
  t.after(async () => {
    wire.close();
    hooks.closeAllConnections();
    await new Promise((resolve) => hooks.close(resolve));
    await server.stop();
  });
  const { port } = hooks.address() as AddressInfo;
  // Endpoints may not be on the loopback; a name outside of the cluster may.
  const spec = { type: 'ExternalName', externalName: 'localhost' };
  await wire.post('/api/v1/namespaces/default/services', { metadata: { name: 'hooks' }, spec });
  const configure = async (kind: string, path: string, respond: Respond, more: object = {}) => {
    responders.set(path, respond);
    const webhook = {
      name: `${path.slice(1)}.example.com`,
      clientConfig: {
        service: { namespace: 'default', name: 'hooks', path, port },
        caBundle: Buffer.from(server.ca).toString('base64'),
      },
      rules: [{ apiGroups: [''], apiVersions: ['v1'], resources: ['configmaps'], operations: ['*'] }],
      sideEffects: 'None',
      admissionReviewVersions: ['v1'],
      ...more,
    };
    const made = await wire.post(`${registration}/${kind}webhookconfigurations`, {
      metadata: { name: path.slice(1) },
      webhooks: [webhook],
    });
    assert.equal(made.status, 201, made.text);
  };
  return { server, wire, asked, configure };
}

test('a validating webhook refuses in its own words, and is told all of the request', async (t) => {
  const { wire, asked, configure } = await startWithWebhooks(t);
  await configure('validating', '/check', ({ request }) => ({
    allowed: request.object?.metadata.labels?.ok === 'yes' || request.operation === 'DELETE',
    status: { message: 'label it', code: 422 },
    warnings: ['seen'],
  }));
  const refused = await wire.post(configMaps, configMap('a'));
  assert.equal(refused.status, 422);
  assert.equal(refused.json.message, 'admission webhook "check.example.com" denied the request: label it');
  const made = await wire.post(configMaps, configMap('a', { ok: 'yes' }));
  assert.equal(made.status, 201, made.text);
  assert.equal(made.headers.warning, '299 - "seen"');
  await wire.delete(`${configMaps}/a`);
  const { request } = asked.at(-1) as Review;
  assert.deepEqual([request.operation, request.object, request.namespace], ['DELETE', null, 'default']);
  assert.ok(request.oldObject);
  assert.equal(request.userInfo.username, 'kubernetes-admin');
});

test('mutating webhooks change the object, and are asked again where a later one changed it too', async (t) => {
  const { wire, asked, configure } = await startWithWebhooks(t);
  const add = (name: string) => patch({ op: 'add', path: `/data/${name}`, value: 'x' });
  await configure('mutating', '/a', () => add('a'), { reinvocationPolicy: 'IfNeeded' });
  await configure('mutating', '/b', () => add('b'));
  const made = await wire.post(configMaps, configMap('c', {}, { own: '1' }));
  assert.deepEqual(made.json.data, { own: '1', a: 'x', b: 'x' });
  assert.equal(asked.length, 3);
});

test('a webhook that cannot be asked refuses, unless it may be ignored', async (t) => {
  const { wire, configure } = await startWithWebhooks(t);
  const clientConfig = { service: { namespace: 'default', name: 'nowhere' } };
  await configure('validating', '/gone', allow, { clientConfig, failurePolicy: 'Ignore' });
  assert.equal((await wire.post(configMaps, configMap('a'))).status, 201);
  await configure('validating', '/lost', allow, { clientConfig });
  const refused = await wire.post(configMaps, configMap('b'));
  assert.equal(refused.status, 500);
  assert.match(
    refused.json.message,
    /failed calling webhook "lost.example.com": failed to call webhook: service "nowhere" not found/,
  );
});

test('selectors and conditions leave out what does not concern a webhook', async (t) => {
  const { wire, asked, configure } = await startWithWebhooks(t);
  await configure('validating', '/some', allow, {
    objectSelector: { matchLabels: { watch: 'me' } },
    namespaceSelector: {
      matchExpressions: [{ key: 'kubernetes.io/metadata.name', operator: 'In', values: ['default'] }],
    },
    matchConditions: [{ name: 'not-skipped', expression: "!has(object.data) || !('skip' in object.data)" }],
  });
  await wire.post(configMaps, configMap('a'));
  await wire.post(configMaps, configMap('b', { watch: 'me' }, { skip: '1' }));
  await wire.post('/api/v1/namespaces/kube-system/configmaps', configMap('c', { watch: 'me' }));
  await wire.post(configMaps, configMap('d', { watch: 'me' }));
  assert.deepEqual(
    asked.map(({ request }) => request.object.metadata.name),
    ['d'],
  );
});

test('a dry run is told to webhooks, and refused where one has side effects', async (t) => {
  const { wire, asked, configure } = await startWithWebhooks(t);
  await configure('validating', '/dry', allow, { sideEffects: 'NoneOnDryRun' });
  await wire.post(`${configMaps}?dryRun=All`, configMap('a'));
  assert.equal(asked[0]?.request.dryRun, true);
  assert.equal((await wire.get(`${configMaps}/a`)).status, 404);
});

test('what is posted to subresources, scales and connections are shown as what they are', async (t) => {
  const { wire, asked, configure } = await startWithWebhooks(t);
  const namespace = '/api/v1/namespaces/default';
  await wire.post(`${namespace}/serviceaccounts`, { metadata: { name: 'default' } });
  const spec = { containers: [{ name: 'c', image: 'i' }] };
  for (const name of ['a', 'b']) await wire.post(`${namespace}/pods`, { metadata: { name }, spec });
  await wire.post('/apis/apps/v1/namespaces/default/deployments', {
    metadata: { name: 'web' },
    spec: { selector: { matchLabels: { x: 'y' } }, template: { metadata: { labels: { x: 'y' } }, spec } },
  });
  const rules = [
    { apiGroups: [''], apiVersions: ['v1'], resources: ['pods/*', 'serviceaccounts/token'], operations: ['*'] },
    { apiGroups: ['apps'], apiVersions: ['v1'], resources: ['deployments/scale'], operations: ['UPDATE'] },
  ];
  const deny = { allowed: false, status: { message: 'nobody attaches' } };
  await configure(
    'validating',
    '/all',
    ({ request }) => (request.subResource === 'attach' ? deny : { allowed: true }),
    {
      rules,
    },
  );
  const half = ({ request }: Review) =>
    request.subResource === 'scale' ? patch({ op: 'replace', path: '/spec/replicas', value: 2 }) : { allowed: true };
  await configure('mutating', '/half', half, { rules });

  await wire.post(`${namespace}/pods/a/binding`, { metadata: { name: 'a' }, target: { kind: 'Node', name: 'n' } });
  await wire.post(`${namespace}/serviceaccounts/default/token`, { spec: {} });
  await wire.post(`${namespace}/pods/b/eviction`, {
    apiVersion: 'policy/v1',
    kind: 'Eviction',
    metadata: { name: 'b' },
  });
  const scale = '/apis/apps/v1/namespaces/default/deployments/web/scale';
  const scaled = await wire.patch(scale, 'merge', { spec: { replicas: 4 } });
  assert.equal(scaled.json.spec.replicas, 2, 'a webhook may say how far');
  assert.equal((await wire.get(scale)).json.spec.replicas, 2);
  const attached = await wire.get(`${namespace}/pods/a/attach?stdout=true`);
  assert.equal(attached.status, 403);
  assert.match(attached.text, /admission webhook \\"all.example.com\\" denied the request: nobody attaches/);
  await wire.get(`${namespace}/pods/a/exec?command=ls&command=-l&container=c`);
  const told = asked
    .filter((_, index) => index % 2 === 0)
    .map(({ request }) => {
      const { operation, kind, resource, subResource } = request;
      return `${operation} ${resource.resource}/${subResource} ${kind.kind}`;
    });
  assert.deepEqual(told, [
    'CREATE pods/binding Binding',
    'CREATE serviceaccounts/token TokenRequest',
    'CREATE pods/eviction Eviction',
    'UPDATE deployments/scale Scale',
    'CONNECT pods/attach PodAttachOptions',
    'CONNECT pods/exec PodExecOptions',
  ]);
  assert.equal(asked.length, told.length * 2, 'once each: what follows from them is no write of its own');
  const last = asked.at(-1)?.request;
  assert.deepEqual(last?.object, {
    apiVersion: 'v1',
    kind: 'PodExecOptions',
    container: 'c',
    command: ['ls', '-l'],
  });
  assert.equal(last?.options, null);
});

const policy = (name: string, spec: object) => ({
  metadata: { name },
  spec: {
    matchConstraints: {
      resourceRules: [
        { apiGroups: [''], apiVersions: ['v1'], resources: ['configmaps'], operations: ['CREATE', 'UPDATE'] },
      ],
    },
    ...spec,
  },
});
const binding = (policyName: string, more: object = {}) => ({
  metadata: { name: `${policyName}-binding` },
  spec: { policyName, validationActions: ['Deny'], ...more },
});

async function startWithPolicy(t: TestContext, spec: object, bound: object = {}) {
  const server = await startTestApiServer();
  const wire = wireTo(server);
  t.after(async () => {
    wire.close();
    await server.stop();
  });
  const made = await wire.post(`${registration}/validatingadmissionpolicies`, policy('rule', spec));
  assert.equal(made.status, 201, made.text);
  await wire.post(`${registration}/validatingadmissionpolicybindings`, binding('rule', bound));
  return wire;
}

test('a policy denies what its expression does not allow', async (t) => {
  const wire = await startWithPolicy(t, {
    variables: [{ name: 'size', expression: 'has(object.data) ? size(object.data) : 0' }],
    validations: [
      {
        expression: 'variables.size <= 1',
        messageExpression: '"too many: " + string(variables.size) + " for " + request.userInfo.username',
      },
    ],
  });
  assert.equal((await wire.post(configMaps, configMap('a', {}, { x: '1' }))).status, 201);
  const refused = await wire.post(configMaps, configMap('b', {}, { x: '1', y: '2' }));
  assert.equal(refused.status, 422);
  assert.equal(
    refused.json.message,
    `configmaps "b" is forbidden: ValidatingAdmissionPolicy 'rule' with binding 'rule-binding' denied request: too many: 2 for kubernetes-admin`,
  );
});

test('a policy asks what the user and a service account may do', async (t) => {
  const may = (expression: string, message: string) => ({ expression: `${expression}.allowed()`, message });
  const scale = 'group("apps").resource("deployments").subresource("scale").namespace("default").name("web")';
  const wire = await startWithPolicy(t, {
    matchConditions: [{ name: 'not-masters', expression: '!authorizer.path("/metrics").check("get").allowed()' }],
    validations: [
      may('authorizer.requestResource.check("create")', 'what is asked for'),
      may(`authorizer.serviceAccount("default", "scaler").${scale}.check("update")`, 'the service account'),
      may('authorizer.requestResource.check("mark")', 'a verb of its own'),
      { expression: '!authorizer.path("/x").check("get").errored()', message: 'never an error' },
    ],
  });
  const rbac = '/apis/rbac.authorization.k8s.io/v1/namespaces/default';
  const grant = async (name: string, rules: readonly object[], subject: object) => {
    await wire.post(`${rbac}/roles`, { metadata: { name }, rules });
    const roleRef = { apiGroup: 'rbac.authorization.k8s.io', kind: 'Role', name };
    await wire.post(`${rbac}/rolebindings`, { metadata: { name }, roleRef, subjects: [subject] });
  };
  const writer = (verbs: readonly string[]) => [{ apiGroups: [''], resources: ['configmaps'], verbs }];
  const jane = { apiGroup: 'rbac.authorization.k8s.io', kind: 'User', name: 'jane' };
  const asJane = () => wire.post(configMaps, configMap('janes'), { 'impersonate-user': 'jane' });
  await grant('writer', writer(['create']), jane);
  assert.match((await asJane()).json.message, /denied request: the service account$/);
  const scales = [{ apiGroups: ['apps'], resources: ['deployments/scale'], resourceNames: ['web'], verbs: ['update'] }];
  await grant('scaler', scales, { kind: 'ServiceAccount', namespace: 'default', name: 'scaler' });
  assert.match((await asJane()).json.message, /denied request: a verb of its own$/);
  // Whoever may do all is not asked.
  assert.equal((await wire.post(configMaps, configMap('admins'))).status, 201);
  await grant('marker', writer(['mark']), jane);
  assert.equal((await asJane()).status, 201);
});

test('a policy sees objects in the version that it names, whatever version they are sent in', async (t) => {
  const scalers = (version: string) => `/apis/autoscaling/${version}/namespaces/default/horizontalpodautoscalers`;
  const rule = { apiGroups: ['autoscaling'], apiVersions: ['v2'], operations: ['*'], resources: ['*'] };
  const wire = await startWithPolicy(t, {
    matchConstraints: { resourceRules: [rule] },
    matchConditions: [{ name: 'other', expression: 'request.requestKind.version != request.kind.version' }],
    validations: [{ expression: 'object.spec.metrics[0].resource.target.averageUtilization < 90', message: 'too hot' }],
  });
  const scaler = (name: string, targetCPUUtilizationPercentage: number) => ({
    metadata: { name },
    spec: { scaleTargetRef: { kind: 'Deployment', name: 'web' }, maxReplicas: 3, targetCPUUtilizationPercentage },
  });
  assert.equal((await wire.post(scalers('v1'), scaler('cool', 50))).status, 201);
  assert.match((await wire.post(scalers('v1'), scaler('hot', 95))).json.message, /denied request: too hot$/);
});

test('a policy may only warn', async (t) => {
  const spec = { validations: [{ expression: 'has(object.data)', message: 'no data' }] };
  const wire = await startWithPolicy(t, spec, { validationActions: ['Warn'] });
  const made = await wire.post(configMaps, configMap('a'));
  assert.equal(made.status, 201);
  assert.equal(
    made.headers.warning,
    `299 - "Validation failed for ValidatingAdmissionPolicy 'rule' with binding 'rule-binding': no data"`,
  );
});

test('a policy takes its parameters from an object', async (t) => {
  const wire = await startWithPolicy(
    t,
    {
      paramKind: { apiVersion: 'v1', kind: 'ConfigMap' },
      validations: [{ expression: 'object.metadata.name.startsWith(params.data.prefix)', reason: 'Forbidden' }],
    },
    {
      paramRef: { name: 'params', namespace: 'kube-system', parameterNotFoundAction: 'Deny' },
      matchResources: { namespaceSelector: { matchLabels: { 'kubernetes.io/metadata.name': 'default' } } },
    },
  );
  assert.match((await wire.post(configMaps, configMap('web-1'))).json.message, /no params found/);
  await wire.post('/api/v1/namespaces/kube-system/configmaps', configMap('params', {}, { prefix: 'web-' }));
  assert.equal((await wire.post(configMaps, configMap('web-1'))).status, 201);
  assert.equal((await wire.post(configMaps, configMap('db-1'))).status, 403);
});

test('a policy whose expression is no CEL is refused', async (t) => {
  const server = await startTestApiServer();
  const wire = wireTo(server);
  t.after(async () => {
    wire.close();
    await server.stop();
  });
  const spec = { validations: [{ expression: 'object.x ==' }] };
  const refused = await wire.post(`${registration}/validatingadmissionpolicies`, policy('bad', spec));
  assert.equal(refused.status, 422);
  assert.match(
    refused.json.message,
    /spec.validations\[0\].expression: Invalid value: "object.x ==": compilation failed/,
  );
});
