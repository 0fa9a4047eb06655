import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { IngressClass } from '../../api/types.ts';
import { controllerName, ownClassOf } from './classes.ts';
import { testIngress } from './testing.ts';

function classOf(name: string, createdAt: string, controller: string = controllerName): IngressClass {
  const annotations = { 'ingressclass.kubernetes.io/is-default-class': 'true' };
  return { metadata: { name, creationTimestamp: createdAt, annotations }, spec: { controller } };
}

const old = classOf('old', '2026-01-01T00:00:00Z');
const [a, b] = [classOf('a', '2026-01-02T00:00:00Z'), classOf('b', '2026-01-02T00:00:00Z')];
const unnamed = testIngress('web', { '': [{}] });

test('an Ingress without a class is of the newest default one, of the same second the first by name', () => {
  assert.equal(ownClassOf(unnamed, [old])?.metadata?.name, 'old');
  assert.equal(ownClassOf(unnamed, [old, b, a])?.metadata?.name, 'a');
  assert.equal(ownClassOf(unnamed, []), undefined);
});

test('where the newest default class is another controller’s, the Ingress is too', () => {
  const others = classOf('theirs', '2026-01-03T00:00:00Z', 'example.com/controller');
  assert.equal(ownClassOf(unnamed, [old, others]), undefined);
});

test('a class that is named is that one, or none', () => {
  const named = { ...unnamed, spec: { ...unnamed.spec, ingressClassName: 'old' } };
  assert.equal(ownClassOf(named, [a, old])?.metadata?.name, 'old');
  assert.equal(ownClassOf(named, [a]), undefined);
});
