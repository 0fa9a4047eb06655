import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ResourceCache } from './resource-cache.ts';

const PREFIX = '/registry/core/pods/';
const keyOf = (n: number) => `${PREFIX}default/${String(n).padStart(3, '0')}`;

/** What was put under a key last, by key: what the cache must say however it is asked in between. */
function pair() {
  const cache = new ResourceCache(PREFIX, {}, 0);
  const model = new Map<string, number>();
  let revision = 0;
  return {
    cache,
    put(n: number) {
      cache.put(keyOf(n), ++revision, Buffer.from('{}'));
      model.set(keyOf(n), revision);
    },
    delete(n: number) {
      cache.delete(keyOf(n), ++revision, Buffer.from('{}'));
      model.delete(keyOf(n));
    },
    check() {
      const expected = [...model].sort(([a], [b]) => (a < b ? -1 : 1));
      assert.deepEqual(
        cache.list().map(({ key, revision: at }) => [key, at]),
        expected,
      );
    },
  };
}

test('objects are listed in key order, whatever came, changed and went since the last list', () => {
  const { put, delete: remove, check, cache } = pair();
  for (const n of [5, 1, 9]) put(n);
  check();
  for (const n of [7, 0, 5, 7, 3]) put(n);
  for (const n of [7, 9]) remove(n);
  check();
  put(4);
  check();
  for (const n of [2, 8]) put(n);
  remove(8);
  assert.equal(cache.list(keyOf(2)).length, 1);
  check();
});

test('a list in steps of every order agrees with what was put', () => {
  const { put, delete: remove, check } = pair();
  // A fixed walk through all residues: 37 and 101 have no common divisor.
  for (let i = 1; i <= 500; i++) {
    const n = (i * 37) % 101;
    if (i % 3 === 0) remove(n);
    else put(n);
    if (i % 7 === 0) check();
  }
  check();
});
