import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { startTestApiServer } from '../testing.ts';
import { type WireAnswer, wireTo } from '../wire.ts';
import { definition, install } from './testing.ts';

const objects = '/apis/example.com/v1/namespaces/default/things';
const names = { group: 'example.com', plural: 'things', kind: 'Thing' };
const text = { type: 'string' };
const integer = { type: 'integer' };
const thing = (spec: unknown, more: object = {}) => ({ metadata: { name: 'a' }, spec, ...more });

/** Things with these fields in their `spec`. */
async function start(t: TestContext, properties: object, more: object = {}) {
  const server = await startTestApiServer();
  const wire = wireTo(server);
  t.after(async () => {
    wire.close();
    await server.stop();
  });
  await install(wire, definitionOf(properties, more));
  return wire;
}

function definitionOf(properties: object, more: object = {}) {
  const status = { type: 'object', properties: { ready: { type: 'boolean' }, replicas: integer } };
  const spec = { type: 'object', properties, ...more };
  const schema = { openAPIV3Schema: { type: 'object', properties: { spec, status } } };
  const scale = { specReplicasPath: '.spec.size', statusReplicasPath: '.status.replicas' };
  const version = { name: 'v1', served: true, storage: true, schema, subresources: { status: {}, scale } };
  return definition({ ...names, versions: [version] });
}

function causesOf({ json }: WireAnswer): string[] {
  const causes = (json.details?.causes ?? []) as unknown as { field: string; message: string }[];
  return causes.map(({ field, message }) => `${field}: ${message}`).sort();
}

const unchecked =
  '<nil>: Invalid value: null: some validation rules were not checked because the object was invalid; correct the existing errors to complete validation';

test('what a format wants is told in place of its type', async (t) => {
  const at = { type: 'string', format: 'date-time' };
  const wire = await start(t, { at, size: { type: 'integer', format: 'int32' }, ratio: { type: 'number' } });
  assert.deepEqual(causesOf(await wire.post(objects, thing({ at: 1, size: 0.5, ratio: {} }))), [
    '.spec.size: Invalid value: 0: .spec.size accessor error: 0.5 is of the type float64, expected int64',
    '<nil>: Invalid value: "": Checked value must be of type integer with format int32 in spec.size',
    'spec.at: Invalid value: "int64": spec.at in body must be of type date-time: "int64"',
    'spec.ratio: Invalid value: "object": spec.ratio in body must be of type number: "object"',
    'spec.size: Invalid value: "float64": spec.size in body must be of type int32: "float64"',
  ]);
});

test('integers are held against integers', async (t) => {
  const ratio = { type: 'number', maximum: 1.5, exclusiveMaximum: true, multipleOf: 0.5 };
  const wire = await start(t, { ratio });
  assert.equal((await wire.post(`${objects}?dryRun=All`, thing({ ratio: 0.5 }))).status, 201);
  assert.deepEqual(causesOf(await wire.post(objects, thing({ ratio: 1 }))), [
    'spec.ratio: Invalid value: 0: factor MultipleOf declared for spec.ratio must be positive: 0',
    'spec.ratio: Invalid value: 1: spec.ratio in body should be less than 1',
  ]);
});

test('of a text the first fault is told', async (t) => {
  const wire = await start(t, { name: { ...text, minLength: 2, pattern: '^[a-z]+$' } });
  assert.deepEqual(causesOf(await wire.post(objects, thing({ name: '' }))), [
    'spec.name: Invalid value: "": spec.name in body should be at least 2 chars long',
  ]);
});

test('a status is told of as if it stood alone', async (t) => {
  const wire = await start(t, { name: text });
  await wire.post(objects, thing({}));
  const answer = await wire.patch(`${objects}/a/status`, 'merge', { status: { ready: 'yes', replicas: 'two' } });
  assert.deepEqual(causesOf(answer), [
    '.status.replicas: Invalid value: 0: .status.replicas accessor error: two is of the type string, expected int64',
    'status.ready: Invalid value: "string": ready in body must be of type boolean: "string"',
    'status.replicas: Invalid value: "string": replicas in body must be of type integer: "string"',
  ]);
});

test('a scale is not found in what is no object', async (t) => {
  const wire = await start(t, { size: integer });
  assert.deepEqual(causesOf(await wire.post(objects, thing(['b', 1]))), [
    '.spec.size: Invalid value: 0: .spec.size accessor error: [b 1] is of the type []interface {}, expected map[string]interface{}',
    'spec: Invalid value: "array": spec in body must be of type object: "array"',
  ]);
});

test('an embedded object may have any finalizers, and no metadata', async (t) => {
  const template = {
    type: 'object',
    'x-kubernetes-embedded-resource': true,
    'x-kubernetes-preserve-unknown-fields': true,
  };
  const wire = await start(t, { template });
  const pod = (metadata: unknown) => thing({ template: { apiVersion: 'v1', kind: 'Pod', metadata } });
  for (const metadata of [null, { finalizers: ['any'] }]) {
    const answer = await wire.post(`${objects}?dryRun=All`, pod(metadata));
    assert.equal(answer.status, 201, answer.text);
  }
});

test('an embedded object is of a group and a version', async (t) => {
  const embedded = { type: 'object', 'x-kubernetes-embedded-resource': true, properties: { kept: text } };
  const wire = await start(t, { template: embedded });
  assert.deepEqual(causesOf(await wire.post(objects, thing({ template: { apiVersion: 'a/b/c', kind: 'K' } }))), [
    'spec.template.apiVersion: Invalid value: "a/b/c": unexpected GroupVersion string: a/b/c',
  ]);
});

test('with a status nobody is warned of finalizers', async (t) => {
  const wire = await start(t, { name: text });
  const created = await wire.post(objects, { ...thing({}), metadata: { name: 'a', finalizers: ['plain'] } });
  assert.match(String(created.headers.warning), /prefer a domain-qualified finalizer name/);
  const status = await wire.patch(`${objects}/a/status`, 'merge', { status: { ready: true } });
  assert.equal(status.headers.warning, undefined);
});

test('an update need not mend what its schema tells it left alone', async (t) => {
  const rule = (limit: number) => ({ 'x-kubernetes-validations': [{ rule: `self < ${limit}`, message: 'too big' }] });
  const free = { type: 'object', 'x-kubernetes-preserve-unknown-fields': true };
  const fields = (limit: number, maximum: number) => ({
    other: text,
    list: { type: 'array', maxItems: 3, items: { ...integer, ...rule(limit) } },
    told: { type: 'object', properties: { n: { ...integer, maximum } } },
    free,
    inner: { type: 'object', properties: { free, n: integer }, ...(maximum < 9 ? { required: ['n'] } : {}) },
  });
  const wire = await start(t, fields(9, 9));
  const inner = { free: { a: 1 } };
  await wire.post(objects, thing({ list: [5], told: { n: 5 }, inner }));
  const { spec } = definitionOf(fields(3, 3));
  const path = '/apis/apiextensions.k8s.io/v1/customresourcedefinitions/things.example.com';
  const changed = await wire.patch(path, 'merge', { spec: { versions: spec.versions } });
  assert.equal(changed.status, 200, changed.text);
  // Fields that the schema does not tell of may always be others.
  assert.deepEqual(causesOf(await wire.patch(`${objects}/a`, 'merge', { spec: { other: 'x' } })), [
    unchecked,
    'spec.inner.n: Required value',
  ]);
  const mended = await wire.patch(`${objects}/a`, 'merge', { spec: { other: 'x', inner: { n: 1 } } });
  assert.equal(mended.status, 200, mended.text);
  assert.deepEqual(causesOf(await wire.patch(`${objects}/a`, 'merge', { spec: { list: [5, 1] } })), [
    'spec.list[0]: Invalid value: 5: too big',
  ]);
});
