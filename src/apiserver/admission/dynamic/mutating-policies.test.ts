import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { startTestApiServer } from '../../testing.ts';
import { wireTo } from '../../wire.ts';

const registration = '/apis/admissionregistration.k8s.io/v1';
const configMaps = '/api/v1/namespaces/default/configmaps';
const pods = '/api/v1/namespaces/default/pods';

const rule = (resource: string) => ({
  apiGroups: [''],
  apiVersions: ['v1'],
  resources: [resource],
  operations: ['CREATE', 'UPDATE'],
});
const applies = (expression: string) => ({ patchType: 'ApplyConfiguration', applyConfiguration: { expression } });
const patches = (expression: string) => ({ patchType: 'JSONPatch', jsonPatch: { expression } });

async function start(t: TestContext) {
  const server = await startTestApiServer();
  const wire = wireTo(server);
  t.after(async () => {
    wire.close();
    await server.stop();
  });
  await wire.post('/api/v1/namespaces/default/serviceaccounts', { metadata: { name: 'default' } });
  const create = (name: string, spec: object) =>
    wire.post(`${registration}/mutatingadmissionpolicies`, {
      metadata: { name },
      spec: {
        matchConstraints: { resourceRules: [rule('configmaps'), rule('pods')] },
        reinvocationPolicy: 'Never',
        ...spec,
      },
    });
  const enact = async (name: string, spec: object, more: object = {}) => {
    const made = await create(name, spec);
    assert.equal(made.status, 201, made.text);
    const bound = await wire.post(`${registration}/mutatingadmissionpolicybindings`, {
      metadata: { name },
      spec: { policyName: name, ...more },
    });
    assert.equal(bound.status, 201, bound.text);
  };
  return { wire, create, enact };
}

test('a policy adds a sidecar to pods that have none, as if it were applied', async (t) => {
  const { wire, enact } = await start(t);
  await enact('sidecar', {
    matchConstraints: { resourceRules: [rule('pods')] },
    matchConditions: [
      {
        name: 'has-no-sidecar',
        expression: '!object.spec.?initContainers.orValue([]).exists(c, c.name == "mesh-proxy")',
      },
    ],
    mutations: [
      applies(`Object{
        metadata: Object.metadata{ labels: {"mesh": "true"} },
        spec: Object.spec{
          initContainers: [Object.spec.initContainers{
            name: "mesh-proxy", image: "mesh/proxy:v1", restartPolicy: "Always",
            resources: Object.spec.initContainers.resources{ requests: {"cpu": "10m"} }
          }]
        }
      }`),
    ],
  });
  const pod = (name: string, more: object = {}) => ({
    metadata: { name, labels: { app: 'web' } },
    spec: { containers: [{ name: 'web', image: 'web' }], ...more },
  });
  interface Made {
    readonly metadata: { readonly labels: object };
    readonly spec: { readonly containers: object[]; readonly initContainers: Record<string, unknown>[] };
    readonly status: { readonly qosClass: string };
  }
  const made = (await wire.post(pods, pod('a'))).json as unknown as Made;
  assert.deepEqual(made.metadata.labels, { app: 'web', mesh: 'true' });
  assert.equal(made.status.qosClass, 'Burstable');
  assert.deepEqual(
    made.spec.initContainers.map(({ name, restartPolicy, terminationMessagePath }) => [
      name,
      restartPolicy,
      terminationMessagePath,
    ]),
    [['mesh-proxy', 'Always', '/dev/termination-log']],
    'with its defaults',
  );
  assert.equal(made.spec.containers.length, 1);
  const own = { initContainers: [{ name: 'mesh-proxy', image: 'own' }] };
  const kept = (await wire.post(pods, pod('b', own))).json as unknown as Made;
  assert.deepEqual(kept.metadata.labels, { app: 'web' });
});

test('mutations of one policy see what those before them did, with parameters and variables', async (t) => {
  const { wire, enact } = await start(t);
  await wire.post('/api/v1/namespaces/kube-system/configmaps', { metadata: { name: 'p' }, data: { team: 'a/b' } });
  await enact(
    'label',
    {
      matchConstraints: { resourceRules: [rule('configmaps')] },
      paramKind: { apiVersion: 'v1', kind: 'ConfigMap' },
      variables: [{ name: 'team', expression: 'params.data.team' }],
      mutations: [
        patches(
          `has(object.metadata.annotations) ? [] : [JSONPatch{op: "add", path: "/metadata/annotations", value: {}}]`,
        ),
        patches(`[
          JSONPatch{op: "test", path: "/metadata/annotations", value: {}},
          JSONPatch{op: "add", path: "/metadata/annotations/" + jsonpatch.escapeKey("own/" + "team"), value: variables.team},
        ]`),
        patches('[JSONPatch{op: "test", path: "/data/x", value: "no"}, JSONPatch{op: "remove", path: "/data"}]'),
      ],
    },
    {
      paramRef: { name: 'p', namespace: 'kube-system', parameterNotFoundAction: 'Deny' },
      matchResources: { namespaceSelector: { matchLabels: { 'kubernetes.io/metadata.name': 'default' } } },
    },
  );
  const { json } = await wire.post(configMaps, { metadata: { name: 'a' }, data: { x: '1' } });
  assert.deepEqual(json.metadata.annotations, { 'own/team': 'a/b' });
  assert.deepEqual(json.data, { x: '1' }, 'a test that fails is a condition');
  const updated = await wire.patch(`${configMaps}/a`, 'merge', { metadata: { annotations: null }, data: { y: '2' } });
  assert.deepEqual(updated.json.metadata.annotations, { 'own/team': 'a/b' }, 'updates are changed too');
});

test('a policy is asked again where a later one changed the object, if it wants so', async (t) => {
  const { wire, enact } = await start(t);
  const count = (of: string) =>
    applies(
      `Object{ data: {"${of}": string(int(object.data.?${of}.orValue("0")) + 1), "keys": string(object.data.size())} }`,
    );
  await enact('a', { mutations: [count('a')], reinvocationPolicy: 'IfNeeded' });
  await enact('b', { mutations: [count('b')] });
  const { json } = await wire.post(configMaps, { metadata: { name: 'm' }, data: {} });
  assert.deepEqual(json.data, { a: '2', b: '1', keys: '3' });
});

test('what cannot be evaluated or merged refuses the request, unless it may be ignored', async (t) => {
  const { wire, enact } = await start(t);
  await enact('soft', { mutations: [applies('Object{data: {"a": object.nothing}}')], failurePolicy: 'Ignore' });
  assert.equal((await wire.post(configMaps, { metadata: { name: 'a' } })).status, 201);
  await enact('wrong', { mutations: [applies('Object{data: Object.other{a: "b"}}')] });
  const mismatch = await wire.post(configMaps, { metadata: { name: 'b' } });
  assert.equal(mismatch.status, 403);
  assert.equal(
    mismatch.json.message,
    `policy 'wrong' with binding 'wrong' denied request: type mismatch: unexpected type name "Object.other", expected "Object.data", which matches field name path from root Object type`,
  );
  await wire.delete(`${registration}/mutatingadmissionpolicies/wrong`);
  await enact('atomic', {
    matchConstraints: { resourceRules: [rule('pods')] },
    mutations: [applies('Object{spec: Object.spec{nodeSelector: {"a": "b"}}}')],
  });
  const spec = { containers: [{ name: 'c', image: 'i' }], nodeSelector: { x: 'y' } };
  assert.match(
    (await wire.post(pods, { metadata: { name: 'p' }, spec })).json.message,
    /invalid ApplyConfiguration: may not mutate atomic arrays, maps or structs: \.spec\.nodeSelector$/,
  );
});

test('a policy that mutates nothing, or in no known way, is refused', async (t) => {
  const { wire, create } = await start(t);
  const refused = async (spec: object, why: string) => {
    const { status, json } = await create('bad', spec);
    assert.equal(status, 422);
    assert.ok(json.message.includes(why), json.message);
  };
  const mutations = [applies('Object{}')];
  await refused({}, 'spec.mutations: Required value: mutations must contain at least one item');
  await refused({ mutations, reinvocationPolicy: undefined }, 'spec.reinvocationPolicy: Required value');
  await refused(
    { mutations: [{ patchType: 'JSONPatch', applyConfiguration: { expression: 'Object{}' } }] },
    'spec.mutations[0].jsonPatch: Required value: must be specified when patchType is JSONPatch',
  );
  await refused({ mutations: [{ patchType: 'Merge' }] }, 'spec.mutations[0].patchType: Unsupported value: "Merge"');
  await refused(
    { mutations: [applies('Object{a: ')] },
    'spec.mutations[0].applyConfiguration.expression: Invalid value',
  );
  const deleting = { resourceRules: [{ ...rule('pods'), operations: ['DELETE'] }] };
  await refused({ mutations, matchConstraints: deleting }, 'Unsupported value: "DELETE"');
  assert.equal((await wire.get(`${registration}/mutatingadmissionpolicies/bad`)).status, 404);
});
