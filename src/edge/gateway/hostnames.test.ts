import assert from 'node:assert/strict';
import { test } from 'node:test';
import { covering, covers, intersection, moreSpecificFirst } from './hostnames.ts';

test('a wildcard means one label or more, and not its own domain', () => {
  assert.equal(covers('*.a.test', 'x.a.test'), true);
  assert.equal(covers('*.a.test', 'y.x.a.test'), true);
  assert.equal(covers('*.a.test', '*.x.a.test'), true);
  assert.equal(covers('*.a.test', 'a.test'), false);
  assert.equal(covers('*.a.test', 'xa.test'), false);
  assert.equal(covers('*.a.test', '*.test'), false);
  assert.equal(covers('', '*.test'), true);
  assert.equal(covers('*.test', ''), false);
});

test('what two hosts both mean is the more specific one, or nothing', () => {
  assert.equal(intersection('*.test', 'a.test'), 'a.test');
  assert.equal(intersection('*.a.test', '*.test'), '*.a.test');
  assert.equal(intersection('', ''), '');
  assert.equal(intersection('a.test', 'b.test'), undefined);
});

test('a host is meant by itself, by the wildcards above it and by any, in this order', () => {
  assert.deepEqual(covering('x.a.test'), ['x.a.test', '*.a.test', '*.test', '']);
  assert.deepEqual(covering('*.a.test'), ['*.a.test', '*.test', '']);
  assert.deepEqual(covering(''), ['']);
  const mixed = ['', '*.test', 'b.test', '*.x.test', 'a.x.test'];
  assert.deepEqual(mixed.toSorted(moreSpecificFirst), ['a.x.test', 'b.test', '*.x.test', '*.test', '']);
});
