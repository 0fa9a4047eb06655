import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseDuration } from './duration.ts';

test('durations are read as Go writes them', () => {
  const read = ['0', '250ms', '30s', '5m0s', '1h30m', '1.5s'].map(parseDuration);
  assert.deepEqual(read, [0, 250, 30_000, 300_000, 5_400_000, 1_500]);
});

test('what is no duration is told', () => {
  assert.deepEqual(['', '5', 's', '5 s', '-1s'].map(parseDuration), Array(5).fill(undefined));
});
