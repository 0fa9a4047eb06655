import assert from 'node:assert/strict';
import { test } from 'node:test';
import { builtinKinds } from '../kinds/index.ts';
import { readFields } from '../protobuf/reader.ts';
import { openapiV2, openapiV2Protobuf, openapiV3, openapiV3Index } from './index.ts';

// Only what the tests look at; the documents are read as a client reads them, from JSON.
interface Schema {
  description?: string;
  required?: string[];
  properties?: Record<string, Record<string, unknown>>;
  'x-kubernetes-group-version-kind'?: { group: string; version: string; kind: string }[];
}
interface Operation {
  operationId: string;
  parameters?: { name: string; in: string }[];
  requestBody?: { content: Record<string, unknown> };
  'x-kubernetes-group-version-kind'?: unknown;
}
interface Document {
  paths: Record<string, Record<string, Operation>>;
  components: { schemas: Record<string, Schema> };
  definitions: Record<string, Schema>;
}

const read = (document: unknown): Document => JSON.parse(JSON.stringify(document)) as Document;
const references = (document: unknown): string[] =>
  [...JSON.stringify(document).matchAll(/"\$ref":"#\/(?:components\/schemas|definitions)\/([^"]+)"/g)].map(
    ([, name]) => name!,
  );

const core = read(openapiV3(builtinKinds, '', 'v1'));
const pod = core.components.schemas['io.k8s.api.core.v1.Pod']!;

test('the index names a document for every group, and its hash stays while nothing changes', () => {
  const { paths } = openapiV3Index(builtinKinds) as { paths: Record<string, { serverRelativeURL: string }> };
  assert.match(paths['api/v1']!.serverRelativeURL, /^\/openapi\/v3\/api\/v1\?hash=[0-9A-F]{64}$/);
  assert.match(paths['apis/apps/v1']!.serverRelativeURL, /^\/openapi\/v3\/apis\/apps\/v1\?hash=/);
  assert.deepEqual(openapiV3Index(builtinKinds), { paths });
  const fewer = openapiV3Index(builtinKinds.filter(({ kind }) => kind !== 'Deployment')) as { paths: typeof paths };
  assert.notDeepEqual(fewer.paths['apis/apps/v1'], paths['apis/apps/v1']);
  assert.deepEqual(fewer.paths['api/v1'], paths['api/v1']);
});

test('every reference leads to a schema, in both versions', () => {
  for (const name of references(core)) assert.ok(core.components.schemas[name], name);
  const whole = read(openapiV2(builtinKinds));
  for (const name of references(whole)) assert.ok(whole.definitions[name], name);
});

test('no two operations of a group have one id', () => {
  const ids = Object.values(core.paths).flatMap((path) =>
    Object.values(path).flatMap(({ operationId }) => operationId ?? []),
  );
  assert.equal(new Set(ids).size, ids.length);
});

test('no list in a document is empty: Go would read and write it as none', () => {
  for (const path of ['apps/v1', 'v1']) {
    const [version = '', group = ''] = path.split('/').toReversed();
    assert.doesNotMatch(JSON.stringify(openapiV3(builtinKinds, group, version).paths), /\[\]/);
  }
});

test('only what the kinds of the group reach is in it', () => {
  assert.equal(core.components.schemas['io.k8s.api.apps.v1.Deployment'], undefined);
  const apps = read(openapiV3(builtinKinds, 'apps', 'v1'));
  assert.ok(apps.components.schemas['io.k8s.api.core.v1.PodTemplateSpec']);
  assert.equal(apps.components.schemas['io.k8s.api.core.v1.Pod'], undefined);
});

test('kubectl explain finds a kind by its path and its schema by the kind', () => {
  const kind = { group: '', version: 'v1', kind: 'Pod' };
  assert.deepEqual(core.paths['/api/v1/namespaces/{namespace}/pods']!.get!['x-kubernetes-group-version-kind'], kind);
  assert.deepEqual(pod['x-kubernetes-group-version-kind'], [kind]);
});

test('schemas have descriptions, required fields and facts of merging', () => {
  const spec = core.components.schemas['io.k8s.api.core.v1.PodSpec']!;
  assert.deepEqual(spec.required, ['containers']);
  const { containers } = spec.properties!;
  assert.match(String(containers!.description), /^List of containers/);
  assert.equal(containers!['x-kubernetes-patch-merge-key'], 'name');
  assert.equal(containers!['x-kubernetes-patch-strategy'], 'merge');
  assert.equal(containers!['x-kubernetes-list-type'], 'map');
  assert.deepEqual(containers!['x-kubernetes-list-map-keys'], ['name']);
});

test('kubectl sees in the patch operation that fields are validated and dry runs and strategic patches work', () => {
  for (const path of ['/api/v1/namespaces/{namespace}/pods/{name}', '/api/v1/nodes/{name}']) {
    const { patch } = core.paths[path]!;
    const query = patch!.parameters!.filter((one) => one.in === 'query').map(({ name }) => name);
    assert.ok(query.includes('fieldValidation') && query.includes('dryRun'), path);
    assert.ok(patch!.requestBody!.content['application/strategic-merge-patch+json']);
    assert.ok(patch!.requestBody!.content['application/apply-patch+yaml']);
  }
});

test('subresources are there, with the kind that they take', () => {
  const apps = read(openapiV3(builtinKinds, 'apps', 'v1'));
  const scale = apps.paths['/apis/apps/v1/namespaces/{namespace}/deployments/{name}/scale']!.put!;
  assert.deepEqual(scale['x-kubernetes-group-version-kind'], { group: 'autoscaling', version: 'v1', kind: 'Scale' });
  assert.ok(core.paths['/api/v1/namespaces/{namespace}/pods/{name}/log']!.get);
  assert.equal(core.paths['/api/v1/namespaces/{namespace}/pods/{name}/log']!.patch, undefined);
});

test('version 2 as protobuf holds every path and definition', () => {
  const document = openapiV2(builtinKinds);
  const { paths, definitions } = read(document);
  const message = new Map([...readFields(openapiV2Protobuf(document))].map((field) => [field.number, field.value]));
  const bytes = (number: number) => message.get(number) as Uint8Array;
  assert.equal(Buffer.from(bytes(1)).toString(), '2.0');
  assert.equal([...readFields(bytes(8))].length, Object.keys(paths).length);
  assert.equal([...readFields(bytes(9))].length, Object.keys(definitions).length);
});
