import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createBackoff } from './backoff.ts';

const second = 1000;

test('the first failure is tried again at once; then 10 s, doubling up to 5 minutes', () => {
  const backoff = createBackoff();
  assert.equal(backoff.remaining('a', 0, 0), 0);
  const delays = [];
  for (let now = 0, round = 0; round < 7; round++) {
    backoff.next('a', now, now);
    const wait = backoff.remaining('a', now, now);
    delays.push(wait / second);
    now += wait;
  }
  assert.deepEqual(delays, [10, 20, 40, 80, 160, 300, 300]);
});

test('what has passed since the failure counts', () => {
  const backoff = createBackoff();
  backoff.next('a', 0, 0);
  assert.equal(backoff.remaining('a', 2 * second, 5 * second), 7 * second);
  assert.equal(backoff.remaining('a', 2 * second, 12 * second), 0);
});

test('after ten minutes without a failure it begins anew', () => {
  const backoff = createBackoff();
  backoff.next('a', 0, 0);
  backoff.next('a', second, second);
  const later = 11 * 60 * second;
  assert.equal(backoff.remaining('a', later, later), 0);
  backoff.next('a', later, later);
  assert.equal(backoff.delay('a'), 10 * second);
});

test('a clock that is set back by an hour keeps nothing waiting for an hour', () => {
  const backoff = createBackoff();
  backoff.next('a', 3_600_000, 3_600_000);
  assert.equal(backoff.remaining('a', 3_600_000, 3_600_000), 10_000);
  assert.equal(backoff.remaining('a', 3_600_000, 0), 0);
});
