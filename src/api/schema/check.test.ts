import assert from 'node:assert/strict';
import { test } from 'node:test';
import { cannotBeHandled, check, strictMessages, strictReason } from './check.ts';
import { loadSchema } from './load.ts';

const schema = loadSchema();
const pod = (spec: unknown) => ({ apiVersion: 'v1', kind: 'Pod', metadata: { name: 'x' }, spec });
const container = (fields: object) => pod({ containers: [{ name: 'a', ...fields }] });
const checkPod = (value: unknown) => check(schema, 'io.k8s.api.core.v1.Pod', value, { onUnknown: 'report' });

// Messages as k8s.io/apimachinery v0.36.0 gives them for the same text.
const wrongTypes: [what: string, value: unknown, message: string][] = [
  [
    'a number for a string',
    container({ image: 1 }),
    'json: cannot unmarshal number into Go struct field Container.spec.containers.image of type string',
  ],
  [
    'a string for a number',
    container({ ports: [{ containerPort: '80' }] }),
    'json: cannot unmarshal string into Go struct field ContainerPort.spec.containers.ports.containerPort of type int32',
  ],
  [
    'a fraction for a whole number',
    pod({ priority: 1.5 }),
    'json: cannot unmarshal number 1.5 into Go struct field PodSpec.spec.priority of type int32',
  ],
  [
    'a number that is too great',
    pod({ priority: 3_000_000_000 }),
    'json: cannot unmarshal number 3000000000 into Go struct field PodSpec.spec.priority of type int32',
  ],
  [
    'a string for a boolean',
    pod({ hostNetwork: 'true' }),
    'json: cannot unmarshal string into Go struct field PodSpec.spec.hostNetwork of type bool',
  ],
  [
    'an object for a list',
    pod({ containers: {} }),
    'json: cannot unmarshal object into Go struct field PodSpec.spec.containers of type []v1.Container',
  ],
  ['a list for an object', pod([]), 'json: cannot unmarshal array into Go struct field Pod.spec of type v1.PodSpec'],
  [
    'a number in a map of strings',
    pod({ nodeSelector: { a: 1 } }),
    'json: cannot unmarshal number into Go struct field PodSpec.spec.nodeSelector of type string',
  ],
  [
    'a string for a struct that Go inlines',
    pod({ volumes: [{ name: 'v', hostPath: '/x' }] }),
    'json: cannot unmarshal string into Go struct field Volume.spec.volumes.VolumeSource.hostPath of type v1.HostPathVolumeSource',
  ],
  [
    'a boolean for a number or string',
    container({ livenessProbe: { httpGet: { port: true } } }),
    'json: cannot unmarshal bool into Go struct field HTTPGetAction.spec.containers.livenessProbe.ProbeHandler.httpGet.port of type int32',
  ],
  [
    'what is no quantity',
    container({ resources: { limits: { cpu: 'much' } } }),
    "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'",
  ],
  [
    'what is no time',
    { metadata: { creationTimestamp: 'now' } },
    'parsing time "now" as "2006-01-02T15:04:05Z07:00": cannot parse "now" as "2006"',
  ],
];

for (const [what, value, message] of wrongTypes) {
  test(`${what} is refused in the words of Go's decoder`, () => {
    assert.deepEqual(checkPod(value).errors, [message]);
  });
}

test('base64 that is none is refused', () => {
  const secret = { data: { a: 'x!' } };
  assert.deepEqual(check(schema, 'io.k8s.api.core.v1.Secret', secret).errors, ['illegal base64 data at input byte 1']);
});

test('unknown fields are removed, and named with the indexes of their lists', () => {
  const value = pod({ foo: 1, containers: [{ name: 'a' }, { name: 'b', bar: { x: 1 } }] });
  assert.deepEqual(checkPod(value), {
    unknown: ['spec.foo', 'spec.containers[1].bar'],
    errors: [],
  });
  assert.deepEqual(value.spec, { containers: [{ name: 'a' }, { name: 'b' }] });
});

test('unknown fields are not named unless that is asked for', () => {
  const value = pod({ foo: 1 });
  assert.deepEqual(check(schema, 'io.k8s.api.core.v1.Pod', value).unknown, []);
  assert.deepEqual(value.spec, {});
});

test('keys of maps and fields of any type are not unknown', () => {
  const value = { metadata: { labels: { anything: 'x' }, managedFields: [{ fieldsV1: { 'f:metadata': {} } }] } };
  assert.deepEqual(checkPod(structuredClone(value)), { unknown: [], errors: [] });
});

test('null counts as nothing in a field, and as the zero value in a list or map', () => {
  const value = { metadata: { creationTimestamp: null, labels: { a: null } }, spec: { containers: [null] } };
  assert.deepEqual(checkPod(value).errors, []);
  assert.deepEqual(value, { metadata: { labels: { a: '' } }, spec: { containers: [{}] } });
});

test('quantities and times come out in canonical form', () => {
  const value = {
    metadata: { creationTimestamp: '2020-01-02T03:04:05.7+02:00' },
    spec: { containers: [{ name: 'a', resources: { limits: { cpu: 1.5, memory: '1024Mi' } } }] },
  };
  assert.deepEqual(checkPod(value).errors, []);
  assert.equal(value.metadata.creationTimestamp, '2020-01-02T01:04:05Z');
  assert.deepEqual(value.spec.containers[0]!.resources.limits, { cpu: '1500m', memory: '1Gi' });
});

test('a MicroTime keeps six decimals', () => {
  const lease = { spec: { renewTime: '2020-01-02T03:04:05.5Z' } };
  check(schema, 'io.k8s.api.coordination.v1.Lease', lease);
  assert.equal(lease.spec.renewTime, '2020-01-02T03:04:05.500000Z');
});

test('a definition that is not there is an error of the caller', () => {
  assert.throws(() => check(schema, 'io.k8s.api.core.v1.Nothing', {}), RangeError);
});

test('a strict request is refused with all unknown and duplicate fields', () => {
  const messages = strictMessages(['spec.foo', 'bar'], ['spec.replicas', 'bar.q']);
  assert.equal(
    cannotBeHandled('Deployment', 'v1', strictReason(messages)),
    'Deployment in version "v1" cannot be handled as a Deployment: strict decoding error: unknown field "spec.foo", unknown field "bar", duplicate field "spec.replicas"',
  );
});
