import assert from 'node:assert/strict';
import { test } from 'node:test';
import { dealBuckets } from './maglev.ts';

const names = (count: number) => Array.from({ length: count }, (_, index) => `node-${index + 1}`);
const countOf = (owners: readonly number[], node: number) => owners.filter((owner) => owner === node).length;

test('every node has as many buckets as the next one, or one more', () => {
  for (const count of [1, 2, 3, 7, 100]) {
    const counts = names(count).map((_, node) => countOf(dealBuckets(names(count), 256), node));
    assert.equal(
      counts.reduce((sum, each) => sum + each, 0),
      256,
    );
    assert.ok(Math.max(...counts) - Math.min(...counts) <= 1, counts.join(' '));
  }
});

test('a node that goes leaves its buckets to the others, who keep most of their own', () => {
  const before = dealBuckets(names(5), 256).map((node) => names(5)[node]);
  const rest = names(5).filter((name) => name !== 'node-3');
  const after = dealBuckets(rest, 256).map((node) => rest[node]);
  const moved = before.filter((name, bucket) => name !== 'node-3' && name !== after[bucket]).length;
  assert.ok(moved < 256 / 5, `${moved} of 256 moved`);
});

test('the order in which nodes are named does not matter', () => {
  const reversed = names(5).toReversed();
  assert.deepEqual(
    dealBuckets(names(5), 256).map((node) => names(5)[node]),
    dealBuckets(reversed, 256).map((node) => reversed[node]),
  );
});

test('without nodes there is nobody to deal to', () => {
  assert.deepEqual(dealBuckets([], 256), []);
});
