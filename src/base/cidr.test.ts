import assert from 'node:assert/strict';
import { test } from 'node:test';
import { addressAt, contains, formatCIDR, indexOf, overlaps, parseCIDR, subnetAt } from './cidr.ts';

test('a network is parsed and printed', () => {
  assert.equal(formatCIDR(parseCIDR('10.244.0.0/16')), '10.244.0.0/16');
  assert.equal(formatCIDR(parseCIDR('0.0.0.0/0')), '0.0.0.0/0');
  assert.equal(formatCIDR(parseCIDR('FD00:0:0:ab00::/56')), 'fd00:0:0:ab00::/56');
});

test('what is no network is refused, with what was meant where it can be guessed', () => {
  for (const text of ['10.0.0.0', '10.0.0.0/33', 'x/8', '10.0.0.0/8/8', '10.0.0/8', 'fd00::/129', '::x/8']) {
    assert.throws(() => parseCIDR(text), { code: 'CIDR_INVALID' }, text);
  }
  assert.throws(() => parseCIDR('10.1.2.3/8'), { hint: 'did you mean 10.0.0.0/8?' });
});

test('networks overlap when one holds the other', () => {
  assert.ok(overlaps(parseCIDR('10.0.0.0/8'), parseCIDR('10.244.1.0/24')));
  assert.ok(overlaps(parseCIDR('10.244.1.0/24'), parseCIDR('0.0.0.0/0')));
  assert.ok(!overlaps(parseCIDR('10.244.0.0/24'), parseCIDR('10.244.1.0/24')));
  assert.ok(overlaps(parseCIDR('fd00::/8'), parseCIDR('fd00:1::/64')));
  assert.ok(!overlaps(parseCIDR('::/0'), parseCIDR('0.0.0.0/0')), 'families are apart');
});

test('addresses and subnets are counted from the first', () => {
  const cidr = parseCIDR('192.168.255.0/24');
  assert.equal(addressAt(cidr, 255), '192.168.255.255');
  assert.throws(() => addressAt(cidr, 256), { code: 'CIDR_FULL' });
  assert.equal(formatCIDR(subnetAt(parseCIDR('10.244.0.0/16'), 24, 3)), '10.244.3.0/24');
  assert.ok(contains(parseCIDR('200.0.0.0/8'), '200.255.1.1'));
  assert.equal(formatCIDR(subnetAt(parseCIDR('fd00:1::/56'), 64, 3)), 'fd00:1:0:3::/64');
  assert.equal(addressAt(parseCIDR('fd00:1::/64'), 10), 'fd00:1::a');
});

test('an address is found in its network and in no other', () => {
  assert.equal(indexOf(parseCIDR('10.96.0.0/16'), '10.96.1.2'), 258);
  assert.equal(indexOf(parseCIDR('10.96.0.0/16'), '10.97.0.0'), undefined);
  assert.equal(indexOf(parseCIDR('fd00:1::/112'), 'fd00:1::10'), 16);
  assert.equal(indexOf(parseCIDR('fd00:1::/112'), 'fd00:1::1:0'), undefined);
  assert.equal(indexOf(parseCIDR('::/0'), '10.0.0.1'), undefined);
});
