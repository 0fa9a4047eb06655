import assert from 'node:assert/strict';
import { test } from 'node:test';
import { distance, nearest, nearestLabels } from './near.ts';

test('a distance counts letters that change, come, go, or change places', () => {
  assert.equal(distance('web', 'web'), 0);
  assert.equal(distance('web', 'wbe'), 1);
  assert.equal(distance('cart', 'carts'), 1);
  assert.equal(distance('kitten', 'sitting'), 3);
});

test('nearest leaves out what was surely not meant', () => {
  assert.deepEqual(nearest('wbe', ['api', 'web', 'db']), ['web']);
  assert.deepEqual(nearest('frontend', ['frontend-v2', 'backend']), ['frontend-v2']);
});

test('nearest labels are those that lack least of a selector', () => {
  const found = nearestLabels({ app: 'wep', tier: 'front' }, [{ app: 'db' }, { app: 'web', tier: 'front' }]);
  assert.deepEqual(found?.missing, ['app']);
  assert.equal(nearestLabels({ app: 'web' }, [{ team: 'a' }]), undefined);
});
