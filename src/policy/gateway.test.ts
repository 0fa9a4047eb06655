import assert from 'node:assert/strict';
import { test } from 'node:test';
import { gatewayOf } from './gateway.ts';

test('the node speaks to its pods from the first address of their network, in both families', () => {
  assert.deepEqual(gatewayOf('10.244.1.0/24'), ['10.244.1.1']);
  assert.deepEqual(gatewayOf('fd00:1::/64'), ['fd00:1::1']);
  assert.deepEqual(gatewayOf('fd00:1:2:3::/64'), ['fd00:1:2:3::1']);
});
