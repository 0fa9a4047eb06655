import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import type { ComponentStatus } from '../api/types.ts';
import { openMemoryStore } from '../store/memory.ts';
import { startTestApiServer, type TestApiServer } from './testing.ts';
import { type Json, type WireAnswer, wireTo } from './wire.ts';

const CONFIG_MAPS = '/api/v1/namespaces/default/configmaps';

describe('objects over HTTPS', () => {
  let server: TestApiServer;
  let wire: ReturnType<typeof wireTo>;
  before(async () => {
    server = await startTestApiServer();
    wire = wireTo(server);
    await wire.post('/api/v1/namespaces/default/serviceaccounts', { metadata: { name: 'default' } });
  });
  after(async () => {
    wire.close();
    await server.stop();
  });

  const configMap = (name: string, data: Record<string, string> = {}, labels = {}) => ({
    metadata: { name, labels },
    data,
  });

  it('are born with a uid, a time and a resource version', async () => {
    const { status, json } = await wire.post(CONFIG_MAPS, configMap('born', { a: 'b' }));
    assert.equal(status, 201);
    assert.match(json.metadata.uid, /^[0-9a-f-]{36}$/);
    assert.match(json.metadata.creationTimestamp, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/);
    assert.ok(Number(json.metadata.resourceVersion) > 0);
    assert.deepEqual((await wire.get(`${CONFIG_MAPS}/born`)).json, json);
  });

  it('say in Kubernetes’ own words what is wrong', async () => {
    const missing = await wire.get(`${CONFIG_MAPS}/nope`);
    assert.equal(missing.json.message, 'configmaps "nope" not found');
    assert.deepEqual(missing.json.details, { name: 'nope', kind: 'configmaps' });
    await wire.post(CONFIG_MAPS, configMap('twice'));
    const twice = await wire.post(CONFIG_MAPS, configMap('twice'));
    assert.deepEqual([twice.status, twice.json.reason], [409, 'AlreadyExists']);
    assert.equal(twice.json.message, 'configmaps "twice" already exists');
    const elsewhere = await wire.post('/api/v1/namespaces/nowhere/configmaps', configMap('a'));
    assert.equal(elsewhere.json.message, 'namespaces "nowhere" not found');
    const badName = await wire.post(CONFIG_MAPS, configMap('Bad_Name'));
    assert.deepEqual([badName.status, badName.json.reason], [422, 'Invalid']);
    assert.match(badName.json.message, /^ConfigMap "Bad_Name" is invalid: metadata\.name: Invalid value: "Bad_Name"/);
    assert.equal((await wire.request('PUT', CONFIG_MAPS, {})).status, 405);
    assert.equal((await wire.get('/api/v1/unicorns')).status, 404);
    assert.equal((await wire.get(CONFIG_MAPS, { accept: 'image/png' })).status, 406);
    assert.equal((await wire.post(CONFIG_MAPS, 'x', { 'content-type': 'text/csv' })).status, 415);
    assert.equal((await wire.post(CONFIG_MAPS, configMap('big', { a: 'x'.repeat(3_200_000) }))).status, 413);
  });

  it('refuse, warn of or drop unknown fields, as the client asks', async () => {
    const odd = { ...configMap('odd'), color: 'red' };
    const strict = await wire.post(`${CONFIG_MAPS}?fieldValidation=Strict`, odd);
    assert.equal(strict.status, 400);
    assert.match(strict.json.message, /strict decoding error: unknown field "color"/);
    const warned = await wire.post(`${CONFIG_MAPS}?fieldValidation=Warn`, odd);
    assert.equal(warned.headers.warning, '299 - "unknown field \\"color\\""');
    assert.equal('color' in warned.json, false);
  });

  it('name no field twice, where the client wants to know', async () => {
    const path = `${CONFIG_MAPS}?fieldValidation=`;
    const twice =
      '{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"duplicates"},"data":{"a":"1","a":"2"},"color":1}';
    const json = { 'content-type': 'application/json' };
    const strict = await wire.post(`${path}Strict`, twice, json);
    assert.match(strict.json.message, /strict decoding error: unknown field "color", duplicate field "data.a"$/);
    const ignored = await wire.post(`${path}Ignore`, twice, json);
    assert.deepEqual([ignored.json.data, ignored.headers.warning], [{ a: '2' }, undefined]);
    const patch = '{"data":{"b":"1","b":"2"}}';
    const headers = { 'content-type': 'application/merge-patch+json' };
    const refused = await wire.request('PATCH', `${CONFIG_MAPS}/duplicates?fieldValidation=Strict`, patch, headers);
    assert.match(refused.json.message, /strict decoding error: duplicate field "data.b"$/);
    const yaml = 'apiVersion: v1\nkind: ConfigMap\nmetadata: {name: x}\ndata: {a: "1", a: "2"}\n';
    const inYaml = await wire.post(`${path}Strict`, yaml, { 'content-type': 'application/yaml' });
    assert.match(
      inYaml.json.message,
      /strict decoding error: yaml: unmarshal errors:\n {2}line 4: key "a" already set/,
    );
  });

  it('come as tables in both versions of their form', async () => {
    for (const version of ['v1', 'v1beta1']) {
      const answer = await wire.get(CONFIG_MAPS, { accept: `application/json;as=Table;v=${version};g=meta.k8s.io` });
      assert.deepEqual([answer.json.kind, answer.json.apiVersion], ['Table', `meta.k8s.io/${version}`]);
    }
  });

  it('are not overwritten by who has an old version', async () => {
    const { json } = await wire.post(CONFIG_MAPS, configMap('raced'));
    await wire.put(`${CONFIG_MAPS}/raced`, { ...json, data: { a: '1' } });
    const late = await wire.put(`${CONFIG_MAPS}/raced`, { ...json, data: { a: '2' } });
    assert.equal(late.status, 409);
    assert.equal(
      late.json.message,
      'Operation cannot be fulfilled on configmaps "raced": the object has been modified; please apply your changes to the latest version and try again',
    );
  });

  it('make no new version when a write changes nothing', async () => {
    const { json } = await wire.post(CONFIG_MAPS, configMap('same', { a: '1' }));
    const again = await wire.put(`${CONFIG_MAPS}/same`, json);
    const patched = await wire.patch(`${CONFIG_MAPS}/same`, 'merge', { data: { a: '1' } });
    assert.equal(again.json.metadata.resourceVersion, json.metadata.resourceVersion);
    assert.equal(patched.json.metadata.resourceVersion, json.metadata.resourceVersion);
  });

  it('take JSON, merge and strategic patches, also many at once', async () => {
    await wire.post(CONFIG_MAPS, configMap('patched', { a: '1' }));
    await wire.patch(`${CONFIG_MAPS}/patched`, 'json', [{ op: 'replace', path: '/data/a', value: '2' }]);
    await wire.patch(`${CONFIG_MAPS}/patched`, 'strategic-merge', { data: { b: '1' } });
    const many = Array.from({ length: 8 }, (_, index) =>
      wire.patch(`${CONFIG_MAPS}/patched`, 'merge', { data: { [`k${index}`]: 'x' } }),
    );
    for (const { status } of await Promise.all(many)) assert.equal(status, 200);
    const { json } = await wire.get(`${CONFIG_MAPS}/patched`);
    assert.equal(Object.keys(json.data).length, 10);
    assert.equal(json.data.a, '2');
  });

  it('are only rehearsed on a dry run', async () => {
    assert.equal((await wire.post(`${CONFIG_MAPS}?dryRun=All`, configMap('dry'))).status, 201);
    assert.equal((await wire.get(`${CONFIG_MAPS}/dry`)).status, 404);
  });

  it('get names of their own where they ask for one', async () => {
    const { json } = await wire.post(CONFIG_MAPS, { metadata: { generateName: 'gen-' } });
    assert.match(json.metadata.name, /^gen-[a-z0-9]{5}$/);
  });

  it('are listed by labels and fields, and in pages of one snapshot', async () => {
    const path = '/api/v1/namespaces/kube-public/configmaps';
    for (const name of ['a', 'b', 'c', 'd', 'e'])
      await wire.post(path, configMap(name, {}, { odd: String('ace'.includes(name)) }));
    const names = (answer: WireAnswer) => answer.json.items.map((item: Json) => item.metadata.name).join('');
    assert.equal(names(await wire.get(`${path}?labelSelector=odd%3Dtrue`)), 'ace');
    assert.equal(names(await wire.get(`${path}?labelSelector=odd%20in%20(false),!x`)), 'bd');
    assert.equal(names(await wire.get(`${path}?fieldSelector=metadata.name%3Db`)), 'b');
    assert.equal((await wire.get(`${path}?fieldSelector=data.x%3Db`)).status, 400);
    const first = await wire.get(`${path}?limit=2`);
    assert.deepEqual([names(first), first.json.metadata.remainingItemCount], ['ab', 3]);
    await wire.delete(`${path}/d`);
    await wire.post(path, configMap('cc'));
    const token = encodeURIComponent(first.json.metadata.continue);
    const second = await wire.get(`${path}?limit=2&continue=${token}`);
    assert.equal(names(second), 'cd', 'the second page shows the time of the first');
    assert.equal(second.json.metadata.resourceVersion, first.json.metadata.resourceVersion);
    const third = await wire.get(`${path}?continue=${encodeURIComponent(second.json.metadata.continue)}`);
    assert.equal(names(third), 'e');
    assert.equal(third.json.metadata.continue, undefined);
    await wire.delete(`${path}?labelSelector=odd`);
    assert.equal(names(await wire.get(path)), 'cc');
  });

  it('say in a list what kind they are by the list alone', async () => {
    await wire.post(CONFIG_MAPS, configMap('typed', {}, { list: 'typed' }));
    const { json } = await wire.get(`${CONFIG_MAPS}?labelSelector=list%3Dtyped`);
    assert.deepEqual([json.kind, json.apiVersion], ['ConfigMapList', 'v1']);
    const { kind, apiVersion, ...rest } = (await wire.get(`${CONFIG_MAPS}/typed`)).json;
    assert.deepEqual([kind, apiVersion], ['ConfigMap', 'v1']);
    assert.deepEqual(json.items, [rest]);
  });

  it('are listed on, as they are now, when the snapshot of a page is forgotten', async (t) => {
    const store = openMemoryStore();
    const small = await startTestApiServer({ store });
    const client = wireTo(small);
    t.after(async () => {
      client.close();
      await small.stop();
      await store.close();
    });
    const path = '/api/v1/namespaces/kube-public/configmaps';
    const names = (answer: WireAnswer) => answer.json.items.map((item: Json) => item.metadata.name).join('');
    for (const name of ['a', 'b', 'c']) await client.post(path, configMap(name));
    const first = await client.get(`${path}?limit=1`);
    await client.delete(`${path}/b`);
    const { json } = await client.post(path, configMap('d'));
    await store.compact(Number(json.metadata.resourceVersion));
    const forgotten = await client.get(`${path}?limit=1&continue=${encodeURIComponent(first.json.metadata.continue)}`);
    assert.deepEqual([forgotten.status, forgotten.json.reason], [410, 'Expired']);
    const token = encodeURIComponent(forgotten.json.metadata.continue);
    const second = await client.get(`${path}?limit=1&continue=${token}`);
    assert.deepEqual([names(first), names(second)], ['a', 'c']);
    const third = await client.get(`${path}?continue=${encodeURIComponent(second.json.metadata.continue)}`);
    assert.equal(names(third), 'd');
    const { metadata } = (await client.get(`${path}?limit=1`)).json;
    const elsewhere = await client.post('/api/v1/namespaces', { metadata: { name: 'elsewhere' } });
    await store.compact(Number(elsewhere.json.metadata.resourceVersion));
    const unchanged = await client.get(`${path}?limit=1&continue=${encodeURIComponent(metadata.continue)}`);
    assert.equal(unchanged.json.reason, 'Expired', 'also where nothing has changed');
  });

  it('come as a Table and as YAML', async () => {
    const accept = 'application/json;as=Table;v=v1;g=meta.k8s.io,application/json';
    const { json } = await wire.get('/api/v1/namespaces', { accept });
    assert.equal(json.kind, 'Table');
    assert.deepEqual(json.rows[0]?.cells.slice(0, 2), ['default', 'Active']);
    const { text } = await wire.get('/api/v1/namespaces/default', { accept: 'application/yaml' });
    assert.match(text, /^kind: Namespace\n/);
  });

  it('of priority for the system are there from the start', async () => {
    const { json } = await wire.get('/apis/scheduling.k8s.io/v1/priorityclasses');
    const classes = json.items as unknown as { metadata: { name: string }; value: number }[];
    assert.deepEqual(
      classes.map(({ metadata, value }) => [metadata.name, value]),
      [
        ['system-cluster-critical', 2_000_000_000],
        ['system-node-critical', 2_000_001_000],
      ],
    );
  });

  it('say in tables which pods have ended', async () => {
    const pods = '/api/v1/namespaces/default/pods';
    await wire.post('/api/v1/namespaces/default/serviceaccounts', { metadata: { name: 'default' } });
    await wire.post(pods, { metadata: { name: 'once' }, spec: { containers: [{ name: 'c', image: 'i' }] } });
    const row = async () => {
      const accept = 'application/json;as=Table;v=v1;g=meta.k8s.io';
      return (await wire.get(`${pods}/once`, { accept })).json.rows[0];
    };
    assert.equal((await row())?.conditions, undefined);
    await wire.patch(`${pods}/once/status`, 'merge', { status: { phase: 'Succeeded' } });
    assert.deepEqual((await row())?.conditions, [
      {
        type: 'Completed',
        status: 'True',
        reason: 'Succeeded',
        message: 'The pod has completed successfully.',
      },
    ]);
  });

  it('count generations of what is wanted, not of what is', async () => {
    const deployments = '/apis/apps/v1/namespaces/default/deployments';
    const template = { metadata: { labels: { a: 'b' } }, spec: { containers: [{ name: 'c', image: 'i' }] } };
    await wire.post(deployments, {
      metadata: { name: 'd' },
      spec: { selector: { matchLabels: { a: 'b' } }, template },
    });
    const status = await wire.patch(`${deployments}/d/status`, 'merge', {
      status: { replicas: 3 },
      spec: { replicas: 9 },
    });
    assert.deepEqual(
      [status.json.metadata.generation, status.json.status.replicas, status.json.spec.replicas],
      [1, 3, 1],
    );
    const spec = await wire.patch(`${deployments}/d`, 'merge', { spec: { replicas: 2 }, status: { replicas: 7 } });
    assert.deepEqual([spec.json.metadata.generation, spec.json.status.replicas], [2, 3]);
    const scaled = await wire.patch(`${deployments}/d/scale`, 'merge', { spec: { replicas: 5 } });
    assert.deepEqual([scaled.json.kind, scaled.json.spec.replicas, scaled.json.status.selector], ['Scale', 5, 'a=b']);
    assert.equal((await wire.get(`${deployments}/d`)).json.metadata.generation, 3);
  });

  it('of nodes keep the status they were registered with; others are born without one', async () => {
    const status = { phase: 'Running', capacity: { cpu: '2' } };
    const node = await wire.post('/api/v1/nodes', { metadata: { name: 'registered' }, status });
    assert.deepEqual(node.json.status, { ...status, allocatable: status.capacity });
    const service = {
      metadata: { name: 'born' },
      spec: { ports: [{ port: 80 }] },
      status: { loadBalancer: { ingress: [{ ip: '10.0.0.1' }] } },
    };
    assert.equal((await wire.post('/api/v1/namespaces/default/services', service)).text.includes('10.0.0.1'), false);
  });

  it('are described by OpenAPI 2 as protobuf too, for Go clients', async () => {
    const type = 'application/com.github.proto-openapi.spec.v2.v1.0+protobuf';
    for (const asked of [type, type.replace('v2.v1', 'v2@v1')]) {
      const { headers, text } = await wire.get('/openapi/v2', { accept: `${asked},application/json;q=0.5` });
      assert.equal(headers['content-type'], type);
      assert.notEqual(text[0], '{');
    }
    const plain = await wire.get('/openapi/v2', { accept: 'application/json' });
    assert.equal(plain.headers['content-type'], 'application/json');
    assert.equal((plain.json as unknown as { swagger: string }).swagger, '2.0');
  });

  it('are refused by the field that cannot be selected by', async () => {
    const { status, json } = await wire.get('/api/v1/pods?fieldSelector=spec.color%3Dred');
    assert.deepEqual([status, json.message], [400, 'field label not supported: spec.color']);
  });

  it('wait for their finalizers', async () => {
    await wire.post(CONFIG_MAPS, { metadata: { name: 'held', finalizers: ['example.com/hold'] } });
    const deleted = await wire.delete(`${CONFIG_MAPS}/held`);
    assert.ok(deleted.json.metadata.deletionTimestamp);
    assert.equal((await wire.get(`${CONFIG_MAPS}/held`)).status, 200);
    await wire.patch(`${CONFIG_MAPS}/held`, 'merge', { metadata: { finalizers: null } });
    assert.equal((await wire.get(`${CONFIG_MAPS}/held`)).status, 404);
    await wire.post(CONFIG_MAPS, configMap('owner'));
    const foreground = await wire.delete(`${CONFIG_MAPS}/owner`, { propagationPolicy: 'Foreground' });
    assert.deepEqual(foreground.json.metadata.finalizers, ['foregroundDeletion']);
  });

  it('of pods go when their node has ended them, or at once where they have none', async () => {
    const pods = '/api/v1/namespaces/default/pods';
    const pod = (name: string) => ({ metadata: { name }, spec: { containers: [{ name: 'c', image: 'i' }] } });
    await wire.post(pods, pod('free'));
    await wire.delete(`${pods}/free`);
    assert.equal((await wire.get(`${pods}/free`)).status, 404);
    await wire.post(pods, pod('bound'));
    const binding = { metadata: { name: 'bound' }, target: { kind: 'Node', name: 'node-1' } };
    assert.equal((await wire.post(`${pods}/bound/binding`, binding)).status, 201);
    assert.equal((await wire.post(`${pods}/bound/binding`, binding)).status, 409);
    const marked = await wire.delete(`${pods}/bound`);
    assert.deepEqual([marked.json.spec.nodeName, marked.json.metadata.deletionGracePeriodSeconds], ['node-1', 30]);
    await wire.delete(`${pods}/bound`, { gracePeriodSeconds: 0 });
    assert.equal((await wire.get(`${pods}/bound`)).status, 404);
  });

  it('are answered in a time that can be read', async () => {
    const { status, json } = await wire.get(`${CONFIG_MAPS}?timeout=soon`);
    assert.deepEqual([status, json.reason], [400, 'BadRequest']);
    assert.equal((await wire.get(`${CONFIG_MAPS}?timeout=1m30s`)).status, 200);
  });

  it('of two kinds leave their dependents alone where a deletion says nothing of them', async () => {
    const path = '/api/v1/namespaces/default/replicationcontrollers';
    const template = { metadata: { labels: { a: 'b' } }, spec: { containers: [{ name: 'c', image: 'i' }] } };
    const left = async (name: string, options?: object) => {
      await wire.post(path, { metadata: { name }, spec: { replicas: 0, selector: { a: 'b' }, template } });
      await wire.request('DELETE', `${path}/${name}`, options);
      return (await wire.get(`${path}/${name}`)).json.metadata?.finalizers;
    };
    assert.deepEqual(await left('silent'), ['orphan']);
    assert.equal(await left('background', { propagationPolicy: 'Background' }), undefined);
    assert.equal(await left('old', { orphanDependents: false }), undefined);
  });

  it('are served by a server that tells how it is', async () => {
    const { text, headers } = await wire.get('/metrics/slis');
    assert.match(headers['content-type'] ?? '', /^text\/plain; version=0\.0\.4/);
    assert.match(text, /^kubernetes_healthcheck\{name="store",type="readyz"\} 1$/m);
  });

  it('of components tell who works: leases that are renewed, and the store', async () => {
    const path = '/api/v1/componentstatuses';
    const leases = '/apis/coordination.k8s.io/v1/namespaces/kube-system/leases';
    const renewed = async (name: string, renewTime: Date) => {
      const spec = { holderIdentity: 'me', leaseDurationSeconds: 15, renewTime: renewTime.toISOString() };
      assert.equal((await wire.post(leases, { metadata: { name }, spec })).status, 201);
    };
    await renewed('kube-scheduler', new Date());
    await renewed('kube-controller-manager', new Date(Date.now() - 60_000));
    const { text, headers } = await wire.get(path);
    const { items } = JSON.parse(text) as { items: ComponentStatus[] };
    const told = items.map(({ metadata, conditions }) => [metadata?.name, conditions?.[0]?.status]);
    assert.deepEqual(told, [
      ['controller-manager', 'False'],
      ['scheduler', 'True'],
      ['etcd-0', 'True'],
    ]);
    assert.equal(headers.warning, '299 - "v1 ComponentStatus is deprecated in v1.19+"');
    const late: ComponentStatus = JSON.parse((await wire.get(`${path}/controller-manager`)).text);
    assert.match(
      late.conditions?.[0]?.error ?? '',
      /^the Lease kube-system\/kube-controller-manager was last renewed at /,
    );
    assert.equal((await wire.get(`${path}/nobody`)).json.message, 'componentstatuses "nobody" not found');
    const table = await wire.get(path, { accept: 'application/json;as=Table;v=v1;g=meta.k8s.io' });
    assert.deepEqual(table.json.rows[1]?.cells, ['scheduler', 'Healthy', 'ok', '']);
  });

  it('are told with the hash of the version that they are kept in', async () => {
    interface Discovery {
      readonly resources: readonly { readonly name: string; readonly storageVersionHash?: string }[];
    }
    const hashOf = async (groupVersion: string, plural: string) => {
      const { resources }: Discovery = JSON.parse((await wire.get(groupVersion)).text);
      return resources.find(({ name }) => name === plural)?.storageVersionHash;
    };
    // Of `/v1/Event`, which both are kept as.
    assert.equal(await hashOf('/api/v1', 'events'), 'r2yiGXH7wu8=');
    assert.equal(await hashOf('/apis/events.k8s.io/v1', 'events'), 'r2yiGXH7wu8=');
    assert.equal(await hashOf('/api/v1', 'bindings'), undefined);
  });

  it('of namespaces go when they are finalized, and take nothing new meanwhile', async () => {
    const made = await wire.post('/api/v1/namespaces', { metadata: { name: 'going' } });
    assert.deepEqual(made.json.spec.finalizers, ['kubernetes']);
    const marked = await wire.delete('/api/v1/namespaces/going');
    assert.equal(marked.json.status.phase, 'Terminating');
    const refused = await wire.post('/api/v1/namespaces/going/configmaps', configMap('late'));
    assert.match(refused.json.message, /because it is being terminated$/);
    await wire.put('/api/v1/namespaces/going/finalize', { metadata: { name: 'going' }, spec: {} });
    assert.equal((await wire.get('/api/v1/namespaces/going')).status, 404);
  });

  it('of the two events APIs are the same objects', async () => {
    const event = {
      metadata: { name: 'e' },
      involvedObject: { kind: 'Pod', name: 'p', namespace: 'default' },
      reason: 'Started',
      message: 'said',
      type: 'Normal',
    };
    assert.equal((await wire.post('/api/v1/namespaces/default/events', event)).status, 201);
    const { json } = await wire.get('/apis/events.k8s.io/v1/namespaces/default/events/e');
    assert.deepEqual([json.apiVersion, json.note, json.regarding.name], ['events.k8s.io/v1', 'said', 'p']);
  });
});
