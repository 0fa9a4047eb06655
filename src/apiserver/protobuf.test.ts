import assert from 'node:assert/strict';
import type { IncomingMessage } from 'node:http';
import { after, before, describe, it } from 'node:test';
import { decodeProtobuf } from '../api/protobuf/decode.ts';
import { readFields } from '../api/protobuf/reader.ts';
import type { KubeObject } from '../api/types.ts';
import { startTestApiServer, type TestApiServer } from './testing.ts';
import { wireTo } from './wire.ts';

const CONFIG_MAPS = '/api/v1/namespaces/default/configmaps';
const PROTOBUF = 'application/vnd.kubernetes.protobuf';
/** What client-go sends that was told to use protobuf. */
const either = { accept: `${PROTOBUF},application/json` };
const partial = (kind: string) => ({ accept: `${PROTOBUF};as=${kind};g=meta.k8s.io;v=v1` });

const crd = {
  metadata: { name: 'widgets.example.com' },
  spec: {
    group: 'example.com',
    names: { plural: 'widgets', singular: 'widget', kind: 'Widget' },
    scope: 'Namespaced',
    versions: [{ name: 'v1', served: true, storage: true, schema: { openAPIV3Schema: { type: 'object' } } }],
  },
};

describe('protobuf', () => {
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

  const call = async (method: string, path: string, headers: Record<string, string>, body?: object) => {
    const text = body && JSON.stringify(body);
    const type: Record<string, string> = body ? { 'content-type': 'application/json' } : {};
    const response = await wire.open(method, path, { ...type, ...headers }, text);
    const bytes = await whole(response);
    return { status: response.statusCode, type: response.headers['content-type'], bytes };
  };
  const decoded = async (method: string, path: string, headers: Record<string, string>, body?: object) => {
    const { status, type, bytes } = await call(method, path, headers, body);
    assert.equal(type, PROTOBUF, bytes.toString());
    return { status, object: decodeProtobuf(bytes) as KubeObject & Record<string, unknown> };
  };

  it('is the answer to reads and writes of who asks for it, and says what JSON says', async () => {
    const made = await decoded('POST', CONFIG_MAPS, either, { metadata: { name: 'a' }, data: { k: '' } });
    assert.equal(made.status, 201);
    const read = await decoded('GET', `${CONFIG_MAPS}/a`, either);
    assert.deepEqual(read.object, made.object);
    assert.deepEqual(read.object, JSON.parse((await wire.get(`${CONFIG_MAPS}/a`)).text));
    const { object: list } = await decoded('GET', `${CONFIG_MAPS}?limit=500`, either);
    const asJson = JSON.parse((await wire.get(`${CONFIG_MAPS}?limit=500`)).text);
    // Of a list's items JSON repeats the kind, which protobuf tells once.
    assert.deepEqual(list, { ...asJson, items: asJson.items.map(withoutKind) });
    const roles = '/apis/rbac.authorization.k8s.io/v1/clusterroles';
    const { object: many } = await decoded('GET', roles, either);
    const manyJson = JSON.parse((await wire.get(roles)).text);
    assert.deepEqual(many, { ...manyJson, items: manyJson.items.map(withoutKind) });
  });

  it('is what errors, deletions and discovery are told in', async () => {
    const missing = await decoded('GET', `${CONFIG_MAPS}/nope`, { accept: PROTOBUF });
    assert.equal(missing.status, 404);
    assert.equal(missing.object.message, 'configmaps "nope" not found');
    assert.deepEqual([missing.object.kind, missing.object.code], ['Status', 404]);
    await call('POST', CONFIG_MAPS, {}, { metadata: { name: 'gone' } });
    const { object } = await decoded('DELETE', `${CONFIG_MAPS}/gone`, either);
    assert.deepEqual([object.kind, object.status], ['Status', 'Success']);
    const { object: resources } = await decoded('GET', '/api/v1', { accept: PROTOBUF });
    const verbsOf = (list: object) =>
      (list as { resources: { name: string; verbs: string[] }[] }).resources.map(({ name, verbs }) => [name, verbs]);
    assert.deepEqual(verbsOf(resources), verbsOf(JSON.parse((await wire.get('/api/v1')).text)));
    assert.equal((await decoded('GET', '/api', { accept: PROTOBUF })).object.kind, 'APIVersions');
  });

  it('holds metadata alone, of custom resources too', async () => {
    await call('POST', '/apis/apiextensions.k8s.io/v1/customresourcedefinitions', {}, crd);
    const { object: definition } = await decoded(
      'GET',
      '/apis/apiextensions.k8s.io/v1/customresourcedefinitions/widgets.example.com',
      either,
    );
    assert.equal(definition.kind, 'CustomResourceDefinition');
    const widgets = '/apis/example.com/v1/namespaces/default/widgets';
    const widget = { apiVersion: 'example.com/v1', kind: 'Widget', metadata: { name: 'w', labels: { a: 'b' } } };
    await call('POST', widgets, {}, widget);
    const { object } = await decoded('GET', `${widgets}/w`, partial('PartialObjectMetadata'));
    assert.deepEqual([object.kind, object.metadata?.labels], ['PartialObjectMetadata', { a: 'b' }]);
    const { type, bytes } = await call('GET', widgets, partial('PartialObjectMetadataList'));
    assert.equal(type, PROTOBUF);
    assert.ok(bytes.includes('PartialObjectMetadataList'));
    assert.equal((await call('GET', `${widgets}/w`, either)).type, 'application/json');
    const refused = await decoded('GET', `${widgets}/w`, { accept: PROTOBUF });
    assert.deepEqual([refused.status, refused.object.reason], [406, 'NotAcceptable']);
    assert.equal(
      refused.object.message,
      'only the following media types are accepted: application/json, application/yaml, application/vnd.kubernetes.protobuf',
    );
  });

  it('is no form of tables: kubectl gets those as JSON', async () => {
    const table = `${PROTOBUF};as=Table;v=v1;g=meta.k8s.io,application/json;as=Table;v=v1;g=meta.k8s.io`;
    const { type, bytes } = await call('GET', CONFIG_MAPS, { accept: table });
    assert.equal(type, 'application/json');
    assert.equal(JSON.parse(bytes.toString()).kind, 'Table');
  });

  it('carries watches in frames', async () => {
    await call('POST', CONFIG_MAPS, {}, { metadata: { name: 'watched' }, data: { n: '0' } });
    const query = 'watch=1&fieldSelector=metadata.name%3Dwatched&sendInitialEvents=true&allowWatchBookmarks=true';
    const path = `${CONFIG_MAPS}?${query}&resourceVersionMatch=NotOlderThan&timeoutSeconds=60`;
    const response = await wire.open('GET', path, either);
    assert.equal(response.headers['content-type'], `${PROTOBUF};stream=watch`);
    const events = frames(response);
    const added = await events.next();
    assert.deepEqual([added.value?.type, added.value?.object.data], ['ADDED', { n: '0' }]);
    const { value: mark } = await events.next();
    assert.equal(mark?.type, 'BOOKMARK');
    assert.deepEqual(mark.object.metadata?.annotations, { 'k8s.io/initial-events-end': 'true' });
    await wire.patch(`${CONFIG_MAPS}/watched`, 'merge', { data: { n: '1' } });
    const modified = await events.next();
    assert.deepEqual([modified.value?.type, modified.value?.object.data], ['MODIFIED', { n: '1' }]);
    assert.deepEqual(modified.value?.object, JSON.parse((await wire.get(`${CONFIG_MAPS}/watched`)).text));
    await events.return(undefined);
  });
});

const withoutKind = ({ kind: _kind, apiVersion: _version, ...rest }: KubeObject) => rest;

async function whole(response: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of response) chunks.push(chunk);
  return Buffer.concat(chunks);
}

/** The events of a watch: four bytes of length, and a WatchEvent `{ type = 1, object = 2 { raw = 1 } }`. */
async function* frames(response: IncomingMessage) {
  let rest: Buffer = Buffer.alloc(0);
  try {
    for await (const chunk of response) {
      rest = Buffer.concat([rest, chunk]);
      while (rest.length >= 4 && rest.length >= 4 + rest.readUInt32BE()) {
        const end = 4 + rest.readUInt32BE();
        const [type, object] = [...readFields(rest.subarray(4, end))].map(({ value }) => value as Uint8Array);
        const [raw] = [...readFields(object as Uint8Array)].map(({ value }) => value as Uint8Array);
        rest = rest.subarray(end);
        yield {
          type: Buffer.from(type as Uint8Array).toString(),
          object: decodeProtobuf(raw as Uint8Array) as KubeObject & { data?: unknown },
        };
      }
    }
  } finally {
    response.destroy();
  }
}
