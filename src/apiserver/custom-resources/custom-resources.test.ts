import assert from 'node:assert/strict';
import { test } from 'node:test';
import { waitFor } from '../../base/wait.ts';
import { openMemoryStore } from '../../store/memory.ts';
import { startTestApiServer } from '../testing.ts';
import { wireTo } from '../wire.ts';
import { cronTabs, definition, install, startWithCronTabs } from './testing.ts';

const objects = '/apis/stable.example.com/v1/namespaces/default/crontabs';
const definitions = '/apis/apiextensions.k8s.io/v1/customresourcedefinitions';
const cronTab = (name: string, spec: object, more: object = {}) => ({
  apiVersion: 'stable.example.com/v1',
  kind: 'CronTab',
  metadata: { name },
  spec: { cronSpec: '* * * * *', ...spec },
  ...more,
});

test('a definition is served as soon as it says that it is established', async (t) => {
  const { wire } = await startWithCronTabs(t);
  const list = await wire.get('/apis/stable.example.com/v1');
  assert.match(list.text, /"name":"crontabs","singularName":"crontab".*"shortNames":\["ct"\],"categories":\["all"\]/);
  assert.match(list.text, /"crontabs\/scale".*"crontabs\/status"/);
  const aggregated = await wire.get('/apis', {
    accept: 'application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList',
  });
  assert.match(aggregated.text, /"responseKind":\{"group":"stable.example.com","version":"v1","kind":"CronTab"\}/);
  const index = await wire.get('/openapi/v3');
  assert.match(index.text, /apis\/stable.example.com\/v1/);
  const document = await wire.get('/openapi/v3/apis/stable.example.com/v1');
  assert.match(document.text, /"com.example.stable.v1.CronTab":/);
  assert.match((await wire.get('/openapi/v2')).text, /"com.example.stable.v1.CronTabList":/);
});

test('an object is pruned, defaulted and has a generation', async (t) => {
  const { wire } = await startWithCronTabs(t);
  const created = await wire.post(objects, cronTab('a', { foo: 1, any: { x: { y: 1 } } }, { status: { replicas: 5 } }));
  assert.equal(created.status, 201, created.text);
  assert.deepEqual(JSON.parse(created.text).spec, {
    cronSpec: '* * * * *',
    any: { x: { y: 1 } },
    image: 'busybox',
    replicas: 1,
  });
  assert.equal(JSON.parse(created.text).status, undefined);
  assert.equal(created.headers.warning, '299 - "unknown field \\"spec.foo\\""');
  assert.equal(created.json.metadata.generation, 1);
  const status = await wire.patch(`${objects}/a/status`, 'merge', { status: { replicas: 2 }, spec: { replicas: 9 } });
  assert.equal(status.json.metadata.generation, 1);
  assert.deepEqual([status.json.spec.replicas, status.json.status.replicas], [1, 2]);
  const changed = await wire.patch(`${objects}/a`, 'merge', { spec: { replicas: 3 } });
  assert.equal(changed.json.metadata.generation, 2);
});

test('a strict request with an unknown field is refused', async (t) => {
  const { wire } = await startWithCronTabs(t);
  const answer = await wire.post(`${objects}?fieldValidation=Strict`, cronTab('a', { foo: 1 }));
  assert.equal(answer.status, 400);
  assert.equal(
    answer.json.message,
    'CronTab in version "v1" cannot be handled as a CronTab: strict decoding error: unknown field "spec.foo"',
  );
});

test('what breaks the schema is refused in the words of Kubernetes', async (t) => {
  const { wire } = await startWithCronTabs(t);
  const spec = { replicas: 11, image: 5, port: true, tags: ['a', 'a'], items: [{ name: 'x' }, { name: 'x' }] };
  const answer = await wire.post(objects, cronTab('a', { ...spec, cronSpec: 'never', level: 'high' }));
  assert.equal(answer.status, 422);
  const causes = JSON.parse(answer.text).details.causes.map(
    (cause: { field: string; message: string }) => `${cause.field}: ${cause.message}`,
  );
  assert.deepEqual(causes.sort(), [
    'spec.cronSpec: Invalid value: "never": spec.cronSpec in body should match \'^\\S+( \\S+){4}$\'',
    'spec.image: Invalid value: "integer": spec.image in body must be of type string: "integer"',
    'spec.items[1]: Duplicate value: {"name":"x"}',
    'spec.level: Unsupported value: "high": supported values: "low", "middle"',
    'spec.port: Invalid value: "boolean": spec.port in body must be of type integer,string: "boolean"',
    'spec.replicas: Invalid value: 11: spec.replicas in body should be less than or equal to 10',
    'spec.tags[1]: Duplicate value: "a"',
  ]);
});

test('an update does not have to mend what was there before', async (t) => {
  const { wire } = await startWithCronTabs(t);
  await wire.post(objects, cronTab('a', { replicas: 9 }));
  const narrower = cronTabs();
  narrower.spec.versions[0].schema.openAPIV3Schema.properties.spec.properties.replicas.maximum = 5;
  const path = `${definitions}/crontabs.stable.example.com`;
  const changed = await wire.patch(path, 'merge', { spec: { versions: narrower.spec.versions } });
  assert.equal(changed.status, 200, changed.text);
  const image = await wire.patch(`${objects}/a`, 'merge', { spec: { image: 'other' } });
  assert.equal(image.status, 200, image.text);
  const replicas = await wire.patch(`${objects}/a`, 'merge', { spec: { replicas: 8 } });
  assert.equal(replicas.status, 422);
});

test('a strategic patch is refused with 415', async (t) => {
  const { wire } = await startWithCronTabs(t);
  await wire.post(objects, cronTab('a', {}));
  assert.equal((await wire.patch(`${objects}/a`, 'strategic-merge', { spec: { replicas: 2 } })).status, 415);
});

test('columns are those of the definition', async (t) => {
  const { wire } = await startWithCronTabs(t);
  await wire.post(objects, cronTab('a', {}));
  const conditions = [
    { type: 'Other', status: 'False' },
    { type: 'Ready', status: 'True' },
  ];
  await wire.patch(`${objects}/a/status`, 'merge', { status: { conditions } });
  const table = await wire.get(objects, { accept: 'application/json;as=Table;v=v1;g=meta.k8s.io' });
  assert.deepEqual(
    table.json.columnDefinitions.map(({ name }) => name),
    ['Name', 'Spec', 'Replicas', 'Ready', 'Age'],
  );
  assert.deepEqual(table.json.rows[0]?.cells.slice(0, 4), ['a', '* * * * *', 1, 'True']);
});

test('selectable fields can be asked for, in lists and watches', async (t) => {
  const { wire } = await startWithCronTabs(t);
  await wire.post(objects, cronTab('a', { image: 'one' }));
  await wire.post(objects, cronTab('b', { image: 'two' }));
  const found = await wire.get(`${objects}?fieldSelector=spec.image=two`);
  assert.deepEqual(
    found.json.items.map(({ metadata }) => metadata.name),
    ['b'],
  );
  assert.equal((await wire.get(`${objects}?fieldSelector=spec.replicas=1`)).status, 400);
  for await (const event of wire.watch(`${objects}?watch=1&fieldSelector=spec.image=one`)) {
    assert.equal(event.object.metadata.name, 'a');
    break;
  }
});

test('a scale reads and writes where the definition says', async (t) => {
  const { wire } = await startWithCronTabs(t);
  await wire.post(objects, cronTab('a', {}));
  await wire.patch(`${objects}/a/status`, 'merge', { status: { replicas: 1, labelSelector: 'app=a' } });
  const scaled = await wire.patch(`${objects}/a/scale`, 'merge', { spec: { replicas: 4 } });
  assert.deepEqual([scaled.json.spec.replicas, scaled.json.status.replicas], [4, 1]);
  assert.equal(scaled.json.status.selector, 'app=a');
  assert.equal((await wire.get(`${objects}/a`)).json.spec.replicas, 4);
});

test('applies merge lists by the keys of the schema', async (t) => {
  const { wire } = await startWithCronTabs(t);
  const apply = (manager: string, items: object[]) =>
    wire.request('PATCH', `${objects}/a?fieldManager=${manager}`, cronTab('a', { items }), {
      'content-type': 'application/apply-patch+yaml',
    });
  assert.equal((await apply('one', [{ name: 'x', value: '1' }])).status, 201);
  assert.equal((await apply('two', [{ name: 'y', value: '2' }])).status, 200);
  const { text } = await wire.get(`${objects}/a`);
  assert.deepEqual(JSON.parse(text).spec.items, [
    { name: 'x', value: '1' },
    { name: 'y', value: '2' },
  ]);
  const conflict = await apply('two', [{ name: 'x', value: '3' }]);
  assert.equal(conflict.status, 409);
  assert.match(conflict.json.message, /conflict with "one": \.spec\.items\[name="x"\]\.value/);
});

test('a definition whose rules may cost too much is refused', async (t) => {
  const { wire } = await startWithCronTabs(t);
  const stored = (most?: number) => {
    const names = { type: 'array', maxItems: most, items: { type: 'string', maxLength: most } };
    const rule = 'self.names.all(name, self.names.exists_one(other, other == name))';
    const schema = { type: 'object', properties: { names }, 'x-kubernetes-validations': [{ rule }] };
    return wire.post(definitions, definition({ group: 'dear.example.com', plural: 'lists', kind: 'List', schema }));
  };
  const refused = await stored();
  assert.equal(refused.status, 422, refused.text);
  const at = 'spec.validation.openAPIV3Schema.x-kubernetes-validations[0].rule';
  assert.ok(
    refused.json.message.includes(`${at}: Forbidden: estimated rule cost exceeds budget by factor of more than`),
  );
  assert.equal((await stored(20)).status, 201);
});

test('a deleted definition takes its objects with it', async (t) => {
  const { wire } = await startWithCronTabs(t);
  await wire.post(objects, cronTab('a', {}, { metadata: { name: 'a', finalizers: ['example.com/hold'] } }));
  for (const name of ['0', 'c', 'd', 'e']) await wire.post(objects, cronTab(name, {}));
  const path = `${definitions}/crontabs.stable.example.com`;
  const deleted = await wire.delete(path);
  assert.deepEqual(deleted.json.metadata.finalizers, ['customresourcecleanup.apiextensions.k8s.io']);
  await waitFor(async () => (await wire.get(`${objects}/a`)).json.metadata.deletionTimestamp, {
    what: 'the object is being deleted',
    timeoutMs: 30_000,
    intervalMs: 10,
  });
  const late = await wire.post(objects, cronTab('b', {}));
  assert.equal(late.status, 405);
  assert.equal(late.json.message, 'create not allowed while custom resource definition is terminating');
  await wire.patch(`${objects}/a`, 'merge', { metadata: { finalizers: null } });
  const gone = async () => (await wire.get(path)).status === 404;
  await waitFor(gone, { what: 'the definition is gone', timeoutMs: 30_000, intervalMs: 10 });
  assert.equal((await wire.get(objects)).status, 404);
  assert.doesNotMatch((await wire.get('/apis')).text, /stable\.example\.com/);
});

test('a watch ends when its definition changes', async (t) => {
  const { wire } = await startWithCronTabs(t);
  const watch = wire.watch(`${objects}?watch=1`)[Symbol.asyncIterator]();
  await wire.post(objects, cronTab('a', {}));
  assert.equal((await watch.next()).value?.type, 'ADDED');
  const versions = cronTabs().spec.versions;
  versions[0].additionalPrinterColumns = [];
  await wire.patch(`${definitions}/crontabs.stable.example.com`, 'merge', { spec: { versions } });
  assert.equal((await watch.next()).done, true);
});

test('names that are taken are told of, and taken over when they are free', async (t) => {
  const { wire } = await startWithCronTabs(t);
  const other = definition({ group: 'stable.example.com', plural: 'others', kind: 'Other', shortNames: ['ct'] });
  await wire.post(definitions, other);
  const conditions = async (name: string) => {
    const { text } = await wire.get(`${definitions}/${name}.stable.example.com`);
    const found: { type: string; status: string; reason: string }[] = JSON.parse(text).status?.conditions ?? [];
    return found.map(({ type, status, reason }) => `${type}=${status} ${reason}`).sort();
  };
  const wait = (what: string, wanted: string) =>
    waitFor(async () => (await conditions('others')).includes(wanted), { what, timeoutMs: 30_000, intervalMs: 10 });
  await wait('a conflict', 'NamesAccepted=False ShortNamesConflict');
  assert.equal((await wire.get('/apis/stable.example.com/v1/others')).status, 404);
  await wire.delete(`${definitions}/crontabs.stable.example.com`);
  await wait('the names', 'NamesAccepted=True NoConflicts');
  await wait('the kind', 'Established=True InitialNamesAccepted');
  assert.equal((await wire.get('/apis/stable.example.com/v1/others')).status, 200);
});

test('definitions and objects are there after a restart, and new defaults reach old objects', async (t) => {
  const store = openMemoryStore();
  const first = await startTestApiServer({ store });
  const before = wireTo(first);
  await install(before, cronTabs());
  await before.post(objects, cronTab('a', {}));
  before.close();
  await first.stop();
  const second = await startTestApiServer({ store });
  const wire = wireTo(second);
  t.after(async () => {
    wire.close();
    await second.stop();
    await store.close();
  });
  assert.equal(JSON.parse((await wire.get(`${objects}/a`)).text).spec.image, 'busybox');
  const { versions } = cronTabs().spec;
  versions[0].schema.openAPIV3Schema.properties.spec.properties.level.default = 'low';
  await wire.patch(`${definitions}/crontabs.stable.example.com`, 'merge', { spec: { versions } });
  assert.equal(JSON.parse((await wire.get(`${objects}/a`)).text).spec.level, 'low');
});

test('what is no metadata of an embedded object is told of, and goes', async (t) => {
  const server = await startTestApiServer();
  const wire = wireTo(server);
  t.after(async () => {
    wire.close();
    await server.stop();
  });
  const template = { type: 'object', 'x-kubernetes-embedded-resource': true, properties: { spec: { type: 'object' } } };
  const schema = { openAPIV3Schema: { type: 'object', properties: { template } } };
  const versions = [{ name: 'v1', served: true, storage: true, schema }];
  await install(wire, definition({ group: 'example.com', plural: 'things', kind: 'Thing', versions }));
  const path = '/apis/example.com/v1/namespaces/default/things';
  const metadata = { name: 'inner', namespace: 'any', unknownMeta: 'bar' };
  const thing = { metadata: { name: 'a' }, template: { apiVersion: 'foo/v1', kind: 'Sub', metadata } };
  const strict = await wire.post(`${path}?fieldValidation=Strict`, thing);
  assert.match(strict.json.message, /strict decoding error: unknown field "template\.metadata\.unknownMeta"$/);
  const made = await wire.post(path, thing);
  assert.deepEqual(JSON.parse(made.text).template.metadata, { name: 'inner', namespace: 'any' });
});

test('versions show the same objects, and a write brings what is stored up to date', async (t) => {
  const server = await startTestApiServer();
  const wire = wireTo(server);
  t.after(async () => {
    wire.close();
    await server.stop();
  });
  const schema = { openAPIV3Schema: { type: 'object', 'x-kubernetes-preserve-unknown-fields': true } };
  const versionsOf = (storage: string) =>
    ['v1', 'v1beta1', 'v2alpha1'].map((name) => ({
      name,
      served: true,
      storage: name === storage,
      schema,
      deprecated: name === 'v1beta1',
    }));
  const crd = definition({ group: 'example.com', plural: 'things', kind: 'Thing', versions: versionsOf('v1beta1') });
  await install(wire, crd);
  const group = await wire.get('/apis/example.com');
  assert.deepEqual(
    JSON.parse(group.text).versions.map((each: { version: string }) => each.version),
    ['v1', 'v1beta1', 'v2alpha1'],
  );
  const path = (version: string) => `/apis/example.com/${version}/namespaces/default/things`;
  const made = await wire.post(path('v1'), { metadata: { name: 'a' }, spec: { x: 1 } });
  assert.equal(made.json.apiVersion, 'example.com/v1');
  const old = await wire.get(`${path('v1beta1')}/a`);
  assert.equal(old.json.apiVersion, 'example.com/v1beta1');
  assert.equal(old.headers.warning, '299 - "example.com/v1beta1 Thing is deprecated"');
  const changed = await wire.patch(`${definitions}/things.example.com`, 'merge', {
    spec: { versions: versionsOf('v1') },
  });
  assert.deepEqual(JSON.parse(changed.text).status.storedVersions, ['v1beta1', 'v1']);
  const { resourceVersion } = (await wire.get(`${path('v1')}/a`)).json.metadata;
  const rewritten = await wire.patch(`${path('v1')}/a`, 'merge', {});
  assert.notEqual(rewritten.json.metadata.resourceVersion, resourceVersion);
  const again = await wire.patch(`${path('v1')}/a`, 'merge', {});
  assert.equal(again.json.metadata.resourceVersion, rewritten.json.metadata.resourceVersion);
});

test('who may not, may not', async (t) => {
  const { server, wire } = await startWithCronTabs(t);
  const alice = wireTo(server, await server.certificate('alice'));
  t.after(() => alice.close());
  const refused = await alice.get(objects);
  assert.equal(refused.status, 403);
  assert.equal(
    refused.json.message,
    'crontabs.stable.example.com is forbidden: User "alice" cannot list resource "crontabs" in API group "stable.example.com" in the namespace "default"',
  );
  await wire.post('/apis/rbac.authorization.k8s.io/v1/clusterroles', {
    metadata: { name: 'reader' },
    rules: [{ apiGroups: ['stable.example.com'], resources: ['crontabs'], verbs: ['list'] }],
  });
  await wire.post('/apis/rbac.authorization.k8s.io/v1/clusterrolebindings', {
    metadata: { name: 'reader' },
    roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'ClusterRole', name: 'reader' },
    subjects: [{ kind: 'User', apiGroup: 'rbac.authorization.k8s.io', name: 'alice' }],
  });
  assert.equal((await alice.get(objects)).status, 200);
});
