import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Failures } from './failures.ts';

test('a failed pod goes at once, the next ones after delays that double, and the first again after a long peace', () => {
  const failures = new Failures();
  assert.equal(failures.wait('set/a', 0), 0);
  assert.equal(failures.wait('set/a', 400), 600);
  assert.equal(failures.wait('set/b', 400), 0, 'another node');
  assert.equal(failures.wait('set/a', 1_000), 0);
  assert.equal(failures.wait('set/a', 1_500), 1_500);
  assert.equal(failures.wait('set/a', 3_000), 0);
  assert.equal(failures.wait('set/a', 3_000), 4_000);
  assert.equal(failures.wait('set/a', 3_000 + 31 * 60_000), 0);
  assert.equal(failures.wait('set/a', 3_000 + 31 * 60_000), 1_000);
  failures.forget('set/');
  assert.equal(failures.wait('set/a', 3_000 + 31 * 60_000), 0);
});
