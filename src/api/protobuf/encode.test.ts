import assert from 'node:assert/strict';
import { test } from 'node:test';
import { builtinKinds } from '../kinds/index.ts';
import { apiVersion } from '../resource.ts';
import { loadSchema } from '../schema/index.ts';
import type { Definition, Type } from '../schema/schema.ts';
import { decodeProtobuf } from './decode.ts';
import { encodeItem, encodeList, encodeProtobuf, encodeWatchFrame } from './encode.ts';

const scalars = {
  string: 'a',
  int32: -3,
  int64: 2 ** 40,
  double: 0.5,
  boolean: true,
  bytes: 'AAEC/w==',
  Time: '2020-01-02T03:04:05Z',
  MicroTime: '2020-01-02T03:04:05.123456Z',
  Quantity: '500m',
  IntOrString: '25%',
  any: { b: [1, null] },
};

/** Fields whose JSON is one of several types. */
const unions = new Set(['items', 'additionalItems', 'additionalProperties', 'dependencies']);

/** A value with every field set, but for what would be in itself. */
function full(type: Type, within: readonly Definition[]): unknown {
  switch (type.kind) {
    case 'scalar':
      return scalars[type.scalar];
    case 'list':
      return [full(type.items, within)];
    case 'map':
      return { k: full(type.values, within) };
    case 'struct':
      return fullObject(type.definition, within);
  }
}

function fullObject(definition: Definition, within: readonly Definition[] = []): Record<string, unknown> {
  const { goName, fields } = definition;
  const made: Record<string, unknown> = {};
  if (within.includes(definition)) return made;
  for (const { name, type } of fields.values()) {
    if (goName === 'JSONSchemaProps' && unions.has(name)) continue;
    if (goName === 'CustomResourceSubresources' && name === 'status') continue;
    // An object that lies in another (a claim's template) has no kind in protobuf.
    if (fields.has('metadata') && (name === 'kind' || name === 'apiVersion')) continue;
    const value = full(type, [...within, definition]);
    // Go tells an empty message from none only by a pointer.
    if (JSON.stringify(value) !== '{}') made[name] = value;
  }
  return made;
}

test('every field of every kind comes back as it was', () => {
  for (const kind of builtinKinds) {
    const definition = loadSchema().definition(kind.definition);
    assert.ok(definition, kind.kind);
    const object = { ...fullObject(definition), apiVersion: apiVersion(kind), kind: kind.kind };
    const bytes = encodeProtobuf(object);
    assert.ok(bytes, kind.kind);
    assert.deepEqual(decodeProtobuf(bytes), object);
  }
});

test('a schema keeps which of its forms each field has', () => {
  const schema = {
    type: 'object',
    properties: {
      list: { type: 'array', items: { type: 'string' } },
      tuple: { items: [{ type: 'string' }, { type: 'integer' }], additionalItems: false },
      map: { additionalProperties: { type: 'string' } },
      open: { additionalProperties: true, dependencies: { a: ['b', 'c'], d: { type: 'object' } } },
    },
    enum: [null, 'a', 1, { b: true }],
  };
  const version = { name: 'v1', served: true, storage: true, schema: { openAPIV3Schema: schema } };
  const spec = { group: 'x.io', versions: [{ ...version, subresources: { status: {} } }] };
  const object = { apiVersion: 'apiextensions.k8s.io/v1', kind: 'CustomResourceDefinition', spec };
  assert.deepEqual(decodeProtobuf(encodeProtobuf(object) ?? new Uint8Array()), object);
});

test('bytes are those of the specification: envelope, numbers, lengths', () => {
  const body = encodeProtobuf({
    apiVersion: 'v1',
    kind: 'ConfigMap',
    metadata: { name: 'a' },
    data: { k: '' },
  } as object);
  assert.equal(
    Buffer.from(body ?? []).toString('latin1'),
    'k8s\0\x0a\x0f\x0a\x02v1\x12\x09ConfigMap\x12\x0c\x0a\x03\x0a\x01a\x12\x05\x0a\x01k\x12\x00',
  );
});

test('a list is the same in pieces as in one', () => {
  const head = { apiVersion: 'v1', kind: 'ConfigMapList', metadata: { resourceVersion: '7', remainingItemCount: 3 } };
  const items = ['a', 'b'].map((name) => ({ metadata: { name } }));
  const pieces = encodeList(
    head,
    items.map((item) => encodeItem('v1', 'ConfigMap', item)),
  );
  assert.deepEqual(Buffer.concat(pieces), Buffer.from(encodeProtobuf({ ...head, items } as object) ?? []));
});

test('a frame of a watch tells its length, its type and a whole body', () => {
  const object = { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'a' } };
  const frame = encodeWatchFrame('ADDED', object);
  assert.equal(frame.readUInt32BE(), frame.length - 4);
  assert.equal(frame.subarray(4, 11).toString('latin1'), '\x0a\x05ADDED');
  const body = Buffer.from(encodeProtobuf(object) ?? []);
  assert.deepEqual(frame.subarray(-body.length), body);
});

test('what has no form in protobuf says so', () => {
  const odd = { apiVersion: 'example.com/v1', kind: 'Widget' };
  assert.equal(encodeProtobuf(odd), undefined);
  assert.throws(() => encodeWatchFrame('ADDED', odd), /has no form in protobuf/);
  assert.throws(() => encodeItem('example.com/v1', 'Widget', odd), /has no form in protobuf/);
});

test('raw JSON has its keys in order', () => {
  const entry = { manager: 'me', fieldsType: 'FieldsV1', fieldsV1: { 'f:b': { 'f:d': {}, '.': {} }, 'f:a': {} } };
  const bytes = encodeProtobuf({ apiVersion: 'v1', kind: 'ConfigMap', metadata: { managedFields: [entry] } });
  assert.ok(Buffer.from(bytes ?? []).includes('{"f:a":{},"f:b":{".":{},"f:d":{}}}'));
});
