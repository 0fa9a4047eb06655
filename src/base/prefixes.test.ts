import assert from 'node:assert/strict';
import { test } from 'node:test';
import { canonicalAddress, canonicalPrefix, withoutContained } from './prefixes.ts';

test('an address has one spelling', () => {
  assert.equal(canonicalAddress('FD00:0:0::0010'), 'fd00::10');
  assert.equal(canonicalAddress('10.0.0.1'), '10.0.0.1');
  assert.equal(canonicalAddress('10.0.0.256'), undefined);
});

test('a network has no bits after its prefix, and a single address no length', () => {
  assert.equal(canonicalPrefix('192.0.2.77/24'), '192.0.2.0/24');
  assert.equal(canonicalPrefix('192.0.2.77/27'), '192.0.2.64/27');
  assert.equal(canonicalPrefix('192.0.2.77/32'), '192.0.2.77');
  assert.equal(canonicalPrefix('fd00:1:2:3ff::9/56'), 'fd00:1:2:300::/56');
  assert.equal(canonicalPrefix('::/0'), '::/0');
  assert.equal(canonicalPrefix('10.0.0.0/33'), undefined);
});

test('what another one contains is left out', () => {
  assert.deepEqual(withoutContained(['10.1.2.3', '10.1.0.0/16', '10.0.0.0/8', '10.0.0.0/8', '192.0.2.1', 'nonsense']), [
    '10.0.0.0/8',
    '192.0.2.1',
  ]);
  assert.deepEqual(withoutContained(['fd00::1', 'fd00::/64']), ['fd00::/64']);
});
