import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { startTestApiServer, type TestApiServer } from './testing.ts';
import { type WireAnswer, wireTo } from './wire.ts';

const CONFIG_MAPS = '/api/v1/namespaces/default/configmaps';
const DEPLOYMENTS = '/apis/apps/v1/namespaces/default/deployments';

interface Entry {
  readonly manager: string;
  readonly operation: string;
  readonly subresource?: string;
  readonly time: string;
  readonly fieldsV1: Readonly<Record<string, unknown>>;
}

interface Applied {
  readonly metadata: { readonly managedFields?: readonly Entry[]; readonly resourceVersion: string };
  readonly data?: Readonly<Record<string, string>>;
  readonly spec: {
    readonly replicas: number;
    readonly template: { readonly spec: { readonly containers: readonly Container[] } };
  };
  readonly details: { readonly causes: readonly object[] };
}

interface Container {
  readonly name: string;
  readonly image: string;
  readonly env?: readonly { readonly name: string; readonly value: string }[];
}

const read = ({ text }: WireAnswer): Applied => JSON.parse(text);
/** `MANAGER OPERATION SUBRESOURCE` of each entry. */
const managersOf = (answer: WireAnswer) =>
  (read(answer).metadata.managedFields ?? []).map(({ manager, operation, subresource }) =>
    [manager, operation, subresource].filter(Boolean).join(' '),
  );
const fieldsOf = (answer: WireAnswer, manager: string) =>
  read(answer).metadata.managedFields?.find((entry) => entry.manager === manager)?.fieldsV1;

describe('server-side apply', () => {
  let server: TestApiServer;
  let wire: ReturnType<typeof wireTo>;
  before(async () => {
    server = await startTestApiServer();
    wire = wireTo(server);
  });
  after(async () => {
    wire.close();
    await server.stop();
  });

  const apply = (path: string, manager: string, body: unknown, query = '') =>
    wire.request('PATCH', `${path}?fieldManager=${manager}${query}`, body, {
      'content-type': 'application/apply-patch+yaml',
    });
  const configMap = (name: string, data: Record<string, string>) => ({
    apiVersion: 'v1',
    kind: 'ConfigMap',
    metadata: { name },
    data,
  });
  const deployment = (name: string, spec: object, container: object = {}) => ({
    apiVersion: 'apps/v1',
    kind: 'Deployment',
    metadata: { name },
    spec: {
      selector: { matchLabels: { app: name } },
      template: {
        metadata: { labels: { app: name } },
        spec: { containers: [{ name: 'web', image: 'web:1', ...container }] },
      },
      ...spec,
    },
  });

  it('makes what is missing, and its manager owns what it named', async () => {
    const made = await apply(`${CONFIG_MAPS}/made`, 'alice', configMap('made', { a: '1' }));
    assert.equal(made.status, 201);
    assert.deepEqual(managersOf(made), ['alice Apply']);
    assert.deepEqual(fieldsOf(made, 'alice'), { 'f:data': { 'f:a': {} } });
    const again = await apply(`${CONFIG_MAPS}/made`, 'alice', configMap('made', { a: '1' }));
    assert.equal(again.status, 200);
    assert.equal(read(again).metadata.resourceVersion, read(made).metadata.resourceVersion);
  });

  it('takes YAML', async () => {
    const yaml = 'apiVersion: v1\nkind: ConfigMap\nmetadata: {name: yaml}\ndata:\n  a: "1"\n';
    assert.deepEqual(read(await apply(`${CONFIG_MAPS}/yaml`, 'alice', yaml)).data, { a: '1' });
    const flow = '{"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "yaml"}, "data": {"a": "2",}}';
    assert.deepEqual(read(await apply(`${CONFIG_MAPS}/yaml`, 'alice', flow)).data, { a: '2' });
  });

  it('removes what its manager gave up and nobody else owns', async () => {
    await apply(`${CONFIG_MAPS}/given`, 'alice', configMap('given', { a: '1', b: '1', c: '1' }));
    await apply(`${CONFIG_MAPS}/given`, 'bob', configMap('given', { b: '1' }));
    const left = await apply(`${CONFIG_MAPS}/given`, 'alice', configMap('given', { a: '1' }));
    assert.deepEqual(read(left).data, { a: '1', b: '1' });
  });

  it('refuses to change what another manager owns, and says what and whose', async () => {
    await apply(`${CONFIG_MAPS}/fought`, 'alice', configMap('fought', { a: '1', b: '1' }));
    const one = await apply(`${CONFIG_MAPS}/fought`, 'bob', configMap('fought', { a: '2' }));
    assert.equal(one.status, 409);
    assert.equal(one.json.message, 'Apply failed with 1 conflict: conflict with "alice": .data.a');
    assert.deepEqual(read(one).details.causes, [
      { reason: 'FieldManagerConflict', message: 'conflict with "alice"', field: '.data.a' },
    ]);
    const two = await apply(`${CONFIG_MAPS}/fought`, 'bob', configMap('fought', { a: '2', b: '2' }));
    assert.equal(two.json.message, 'Apply failed with 2 conflicts: conflicts with "alice":\n- .data.a\n- .data.b');
    const taken = await apply(`${CONFIG_MAPS}/fought`, 'bob', configMap('fought', { a: '2' }), '&force=true');
    assert.deepEqual(read(taken).data, { a: '2', b: '1' });
    assert.deepEqual(fieldsOf(taken, 'alice'), { 'f:data': { 'f:b': {} } });
    assert.deepEqual(fieldsOf(taken, 'bob'), { 'f:data': { 'f:a': {} } });
  });

  it('shares what two managers apply alike', async () => {
    await apply(`${CONFIG_MAPS}/shared`, 'alice', configMap('shared', { a: '1' }));
    const both = await apply(`${CONFIG_MAPS}/shared`, 'bob', configMap('shared', { a: '1' }));
    // An apply that changes nothing has no time, and so comes first.
    assert.deepEqual(managersOf(both), ['bob Apply', 'alice Apply']);
  });

  it('merges lists by the keys of the schema', async () => {
    const path = `${DEPLOYMENTS}/listed`;
    const env = (...names: string[]) => ({ env: names.map((name) => ({ name, value: 'x' })) });
    await apply(path, 'alice', deployment('listed', { replicas: 1 }, env('A', 'B')));
    const more = {
      apiVersion: 'apps/v1',
      kind: 'Deployment',
      metadata: { name: 'listed' },
      spec: {
        template: {
          spec: {
            containers: [
              { name: 'web', ...env('C') },
              { name: 'side', image: 'side:1' },
            ],
          },
        },
      },
    };
    await apply(path, 'bob', more);
    const { containers } = read(await apply(path, 'alice', deployment('listed', { replicas: 1 }, env('A')))).spec
      .template.spec;
    assert.deepEqual(
      containers.map(({ name, image }) => `${name} ${image}`),
      ['web web:1', 'side side:1'],
    );
    assert.deepEqual(
      containers[0]?.env?.map(({ name }) => name),
      ['A', 'C'],
    );
  });

  it('keeps account of updates, and an update takes what it changes', async () => {
    const path = `${DEPLOYMENTS}/scaled`;
    await apply(path, 'alice', deployment('scaled', { replicas: 1 }));
    await wire.request(
      'PATCH',
      `${path}/scale?fieldManager=hand`,
      { spec: { replicas: 3 } },
      {
        'content-type': 'application/merge-patch+json',
      },
    );
    const seen = await wire.get(path);
    assert.deepEqual(managersOf(seen), ['alice Apply', 'hand Update scale']);
    assert.deepEqual(fieldsOf(seen, 'hand'), { 'f:spec': { 'f:replicas': {} } });
    const refused = await apply(path, 'alice', deployment('scaled', { replicas: 1 }));
    assert.equal(
      refused.json.message,
      'Apply failed with 1 conflict: conflict with "hand" with subresource "scale" using apps/v1: .spec.replicas',
    );
    const handedOver = await apply(path, 'alice', deployment('scaled', {}));
    assert.equal(read(handedOver).spec.replicas, 3);
  });

  it('applies the number of replicas alone through scale', async () => {
    const path = `${DEPLOYMENTS}/sized`;
    await apply(path, 'alice', deployment('sized', {}));
    const scale = { apiVersion: 'autoscaling/v1', kind: 'Scale', metadata: { name: 'sized' }, spec: { replicas: 4 } };
    const scaled = await apply(`${path}/scale`, 'sizer', scale, '&force=true');
    assert.deepEqual([scaled.json.kind, scaled.json.spec.replicas], ['Scale', 4]);
    assert.deepEqual(managersOf(await wire.get(path)), ['alice Apply', 'sizer Apply scale']);
    assert.equal((await apply(`${DEPLOYMENTS}/nowhere/scale`, 'sizer', scale)).status, 404);
  });

  it('names who creates and updates by the query or the User-Agent', async () => {
    await wire.post(CONFIG_MAPS, configMap('named', { a: '1' }), { 'user-agent': 'tool/v1.2 (linux)' });
    const patched = await wire.request(
      'PATCH',
      `${CONFIG_MAPS}/named?fieldManager=editor`,
      { data: { b: '1' } },
      {
        'content-type': 'application/merge-patch+json',
      },
    );
    assert.deepEqual(managersOf(patched).sort(), ['editor Update', 'tool Update']);
    assert.deepEqual(fieldsOf(patched, 'tool'), { 'f:data': { '.': {}, 'f:a': {} } });
  });

  it('applies a status on its own path only', async () => {
    const path = `${DEPLOYMENTS}/reported`;
    await apply(path, 'alice', deployment('reported', { replicas: 1 }));
    const status = { apiVersion: 'apps/v1', kind: 'Deployment', status: { replicas: 7 } };
    const reported = await apply(`${path}/status`, 'reporter', status);
    assert.equal(reported.json.status.replicas, 7);
    assert.deepEqual(managersOf(reported), ['alice Apply', 'reporter Apply status']);
    assert.deepEqual(fieldsOf(reported, 'reporter'), { 'f:status': { 'f:replicas': {} } });
  });

  it('lets kubectl take over what it applied client-side', async () => {
    const config = configMap('moved', { a: '1' });
    const annotations = { 'kubectl.kubernetes.io/last-applied-configuration': JSON.stringify(config) };
    const query = '?fieldManager=kubectl-client-side-apply';
    await wire.post(CONFIG_MAPS + query, { ...config, metadata: { name: 'moved', annotations } });
    const strangers = await apply(`${CONFIG_MAPS}/moved`, 'stranger', configMap('moved', { a: '2' }));
    assert.equal(strangers.status, 409);
    const moved = await apply(`${CONFIG_MAPS}/moved`, 'kubectl', configMap('moved', { a: '2' }));
    assert.deepEqual([moved.status, read(moved).data], [200, { a: '2' }]);
    assert.match(Object.values(moved.json.metadata.annotations)[0] ?? '', /"data":\{"a":"2"\}/);
  });

  it('gives an object without managers to whoever was before the first apply', async () => {
    const { json } = await wire.post(CONFIG_MAPS, configMap('old', { a: '1', b: '1' }));
    const dropped = await wire.put(`${CONFIG_MAPS}/old`, {
      ...json,
      metadata: { ...json.metadata, managedFields: [{}] },
    });
    assert.deepEqual(managersOf(dropped), []);
    const patched = await wire.patch(`${CONFIG_MAPS}/old`, 'merge', { data: { c: '1' } });
    assert.deepEqual(managersOf(patched), []);
    const refused = await apply(`${CONFIG_MAPS}/old`, 'alice', configMap('old', { a: '2' }));
    assert.match(refused.json.message, /conflict with "before-first-apply" using v1: \.data\.a$/);
    const first = await apply(`${CONFIG_MAPS}/old`, 'alice', configMap('old', { a: '1' }));
    assert.deepEqual(managersOf(first), ['alice Apply', 'before-first-apply Update']);
  });

  it('rehearses on a dry run, and takes no field that nobody can own', async () => {
    const dry = await apply(`${CONFIG_MAPS}/dry`, 'alice', configMap('dry', { a: '1' }), '&dryRun=All');
    assert.equal(dry.status, 201);
    assert.equal((await wire.get(`${CONFIG_MAPS}/dry`)).status, 404);
    const odd = { ...configMap('odd', {}), color: 'red' };
    for (const mode of ['Strict', 'Warn', 'Ignore']) {
      const answer = await apply(`${CONFIG_MAPS}/odd`, 'alice', odd, `&fieldValidation=${mode}`);
      assert.equal(answer.status, 500);
      assert.equal(
        answer.json.message,
        'failed to create typed patch object (default/odd; /v1, Kind=ConfigMap): .color: field not declared in schema',
      );
    }
    const twice = 'apiVersion: v1\nkind: ConfigMap\nmetadata: {name: twice}\ndata:\n  a: one\n  a: two\n';
    const wrong = 'yaml: unmarshal errors:\n  line 6: key "a" already set in map';
    const refused = await apply(`${CONFIG_MAPS}/twice`, 'alice', twice, '&fieldValidation=Strict');
    assert.equal(refused.json.message, `error strict decoding YAML: error converting YAML to JSON: ${wrong}`);
    const warned = await apply(`${CONFIG_MAPS}/twice`, 'alice', twice);
    assert.deepEqual([warned.json.data, warned.headers.warning], [{ a: 'two' }, `299 - ${JSON.stringify(wrong)}`]);
  });

  it('takes a null for a wish to have nothing there', async () => {
    const path = '/apis/apps/v1/namespaces/default/deployments/brief';
    const template = { metadata: { labels: { app: 'brief' } }, spec: { containers: [{ name: 'a', image: 'a' }] } };
    const deployment = (spec: object) => ({
      apiVersion: 'apps/v1',
      kind: 'Deployment',
      metadata: { name: 'brief' },
      spec: { selector: { matchLabels: { app: 'brief' } }, template, ...spec },
    });
    assert.equal((await apply(path, 'alice', deployment({ progressDeadlineSeconds: 5 }))).status, 201);
    const wish = deployment({ progressDeadlineSeconds: null });
    assert.match(
      (await apply(path, 'bob', wish)).json.message,
      /conflict with "alice": \.spec\.progressDeadlineSeconds$/,
    );
    const forced = await apply(path, 'bob', wish, '&force=true');
    assert.match(forced.text, /"progressDeadlineSeconds":600/, 'the default');
    assert.match(JSON.stringify(fieldsOf(forced, 'bob')), /progressDeadlineSeconds/);
    assert.doesNotMatch(JSON.stringify(fieldsOf(forced, 'alice')), /progressDeadlineSeconds/);
  });

  it('takes no configuration that names an item of a list twice', async () => {
    const service = (...ports: object[]) => ({
      apiVersion: 'v1',
      kind: 'Service',
      metadata: { name: 'twice', finalizers: ['knit.dev/a', 'knit.dev/a'] },
      spec: { ports },
    });
    const path = '/api/v1/namespaces/default/services/twice';
    const refused = await apply(path, 'alice', service({ port: 80, name: 'a' }, { port: 80, protocol: 'TCP' }));
    assert.deepEqual(
      [refused.status, refused.json.message],
      [
        500,
        `failed to create typed patch object (default/twice; /v1, Kind=Service): errors:
  .metadata.finalizers: duplicate entries for key [="knit.dev/a"]
  .spec.ports: duplicate entries for key [port=80,protocol="TCP"]`,
      ],
    );
    assert.equal((await wire.get(path)).status, 404);
  });

  it('says what a request lacks', async () => {
    const nobody = await wire.request('PATCH', `${CONFIG_MAPS}/x`, configMap('x', {}), {
      'content-type': 'application/apply-patch+yaml',
    });
    assert.equal(nobody.status, 422);
    assert.match(nobody.json.message, /fieldManager: Required value: is required for apply patch$/);
    const forced = await wire.patch(`${CONFIG_MAPS}/made?force=true`, 'merge', {});
    assert.match(forced.json.message, /force: Forbidden: may not be specified for non-apply patch$/);
    const managed = { ...configMap('x', {}), metadata: { name: 'x', managedFields: [{ manager: 'me' }] } };
    assert.equal(
      (await apply(`${CONFIG_MAPS}/x`, 'alice', managed)).json.message,
      'metadata.managedFields must be nil',
    );
    assert.equal((await apply(`${CONFIG_MAPS}/x`, 'alice', { data: {} })).status, 400);
  });

  it('needs the right to create what it makes', async () => {
    const rules = [{ apiGroups: [''], resources: ['configmaps'], verbs: ['patch'] }];
    await wire.post('/apis/rbac.authorization.k8s.io/v1/namespaces/default/roles', { metadata: { name: 'p' }, rules });
    await wire.post('/apis/rbac.authorization.k8s.io/v1/namespaces/default/rolebindings', {
      metadata: { name: 'p' },
      roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'Role', name: 'p' },
      subjects: [{ kind: 'User', name: 'patcher', apiGroup: 'rbac.authorization.k8s.io' }],
    });
    const patcher = wireTo(server, await server.certificate('patcher'));
    const headers = { 'content-type': 'application/apply-patch+yaml' };
    const send = (name: string) =>
      patcher.request('PATCH', `${CONFIG_MAPS}/${name}?fieldManager=p`, configMap(name, { z: '1' }), headers);
    assert.equal((await send('forbidden')).status, 403);
    assert.equal((await send('made')).status, 200);
    patcher.close();
  });
});
