import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { ConfigMap, ObjectMeta } from '../types.ts';
import { configMap } from './core/config-map.ts';
import { namespace } from './core/namespace.ts';
import { created, errorsOf, updateErrorsOf } from './testing.ts';

const config = (metadata: ObjectMeta): ConfigMap => ({ metadata: { name: 'x', namespace: 'default', ...metadata } });
const errors = (metadata: ObjectMeta) => errorsOf(configMap, config(metadata));

test('a name is judged in the words of Kubernetes', () => {
  assert.deepEqual(errors({ name: 'Foo' }), [
    `metadata.name: Invalid value: "Foo": a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')`,
  ]);
  assert.deepEqual(errors({ name: '' }), ['metadata.name: Required value: name or generateName is required']);
  assert.deepEqual(errors({ generateName: 'foo-' }), []);
  assert.match(
    errors({ generateName: 'Foo-' })[0] ?? '',
    /^metadata\.generateName: Invalid value: "Foo-": a lowercase/,
  );
});

test('a namespace is there where the kind has one, and nowhere else', () => {
  assert.deepEqual(errors({ namespace: '' }), ['metadata.namespace: Required value']);
  assert.deepEqual(errorsOf(namespace, { metadata: { name: 'x', namespace: 'y' } }), [
    'metadata.namespace: Forbidden: not allowed on this type',
  ]);
});

test('labels, annotations, owners and finalizers are checked', () => {
  assert.match(errors({ labels: { 'a b': 'x' } })[0] ?? '', /^metadata\.labels: Invalid value: "a b": name part must/);
  assert.match(
    errors({ labels: { a: 'x y' } })[0] ?? '',
    /^metadata\.labels: Invalid value: "x y": a valid label must/,
  );
  assert.deepEqual(errors({ annotations: { a: 'x'.repeat(256 * 1024) } }), [
    'metadata.annotations: Too long: may not be more than 262144 bytes',
  ]);
  assert.deepEqual(errors({ ownerReferences: [{ apiVersion: 'v1', kind: 'Pod', name: 'a', uid: '' }] }), [
    'metadata.ownerReferences.uid: Invalid value: "": must not be empty',
  ]);
  assert.deepEqual(errors({ finalizers: ['mine'] }), [
    'metadata.finalizers[0]: Invalid value: "mine": name is neither a standard finalizer name nor is it fully qualified',
  ]);
});

test('an object that is being deleted gets no new finalizers', () => {
  const old = config({ deletionTimestamp: '2026-01-01T00:00:00Z', finalizers: ['a.io/x'] });
  const add = (object: ConfigMap) => object.metadata?.finalizers?.push('b.io/y');
  assert.deepEqual(updateErrorsOf(configMap, old, add), [
    'metadata.finalizers: Forbidden: no new finalizers can be added if the object is being deleted, found new finalizers []string{"b.io/y"}',
  ]);
});

test('a namespace carries its name as a label and a finalizer that an update cannot remove', () => {
  const object = created(namespace, { metadata: { name: 'shop' } });
  assert.equal(object.metadata?.labels?.['kubernetes.io/metadata.name'], 'shop');
  assert.deepEqual(object.spec?.finalizers, ['kubernetes']);
  const next = { ...structuredClone(object), spec: {} };
  namespace.prepareForUpdate?.(next, object);
  assert.deepEqual(next.spec, { finalizers: ['kubernetes'] });
  const finalized = { ...structuredClone(object), spec: { finalizers: [] } };
  namespace.prepareForUpdate?.(finalized, object, 'finalize');
  assert.deepEqual(finalized.spec, { finalizers: [] });
});

test('immutable data stays', () => {
  const old: ConfigMap = { ...config({}), immutable: true, data: { a: '1' } };
  const change = (object: ConfigMap) => {
    object.data = { a: '2' };
    delete object.immutable;
  };
  assert.deepEqual(updateErrorsOf(configMap, old, change), [
    'immutable: Forbidden: field is immutable when `immutable` is set',
    'data: Forbidden: field is immutable when `immutable` is set',
  ]);
});
