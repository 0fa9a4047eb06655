import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Deployment, ReplicaSet } from '../../api/types.ts';
import { fenceposts, MAX_REPLICAS, newReplicas, oldReplicas, proportionalReplicas } from './numbers.ts';

const deployment = (replicas: number, maxSurge: unknown, maxUnavailable: unknown): Deployment => ({
  spec: {
    replicas,
    selector: {},
    template: {},
    strategy: {
      type: 'RollingUpdate',
      rollingUpdate: { maxSurge: maxSurge as never, maxUnavailable: maxUnavailable as never },
    },
  },
});

const set = (name: string, replicas: number, available = replicas, max?: number): ReplicaSet => ({
  metadata: { name, creationTimestamp: name, annotations: max ? { [MAX_REPLICAS]: String(max) } : {} },
  spec: { replicas, selector: {} },
  status: { replicas, availableReplicas: available },
});

const sizes = (map: Map<ReplicaSet, number>) =>
  Object.fromEntries([...map].map(([each, size]) => [each.metadata?.name, size]));

test('surge is rounded up, unavailable down, and both are never zero', () => {
  assert.deepEqual(fenceposts(deployment(10, '25%', '25%')), { surge: 3, unavailable: 2 });
  assert.deepEqual(fenceposts(deployment(1, '25%', '25%')), { surge: 1, unavailable: 0 });
  assert.deepEqual(fenceposts(deployment(5, 0, '1%')), { surge: 0, unavailable: 1 });
  assert.deepEqual(fenceposts(deployment(0, 1, 1)), { surge: 1, unavailable: 0 });
});

test('the new set grows into the surge only', () => {
  const [old, fresh] = [set('1', 10), set('2', 0)];
  assert.equal(newReplicas(deployment(10, 3, 2), [old, fresh], fresh), 3);
  assert.equal(newReplicas(deployment(10, 0, 2), [old, fresh], fresh), 0);
  assert.equal(newReplicas(deployment(10, 3, 2), [set('1', 4), set('2', 8)], set('2', 8)), 9);
});

test('old sets give up what is not available first, then down to the minimum', () => {
  const spec = deployment(10, 0, 2);
  assert.deepEqual(sizes(oldReplicas(spec, [set('1', 10)], set('2', 0))), { 1: 8 });
  assert.deepEqual(sizes(oldReplicas(spec, [set('1', 8)], set('2', 2, 0))), {});
  assert.deepEqual(sizes(oldReplicas(spec, [set('1', 8), set('0', 2, 0)], set('2', 0))), { 0: 0 });
});

test('a change of scale in the middle of a rollout is shared by size', () => {
  const spec = deployment(20, 5, 0);
  assert.deepEqual(sizes(proportionalReplicas(spec, [set('1', 10, 10, 15), set('2', 5, 5, 15)])), { 1: 17, 2: 8 });
  const smaller = deployment(5, 1, 0);
  assert.deepEqual(sizes(proportionalReplicas(smaller, [set('1', 8, 8, 12), set('2', 4, 4, 12)])), { 1: 4, 2: 2 });
  assert.deepEqual(sizes(proportionalReplicas(deployment(0, 1, 0), [set('1', 3), set('2', 2)])), { 1: 0, 2: 0 });
});
