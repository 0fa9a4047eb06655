import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Coalesced } from './coalesced.ts';

test('what is asked for together is done once, and what comes meanwhile once more', async () => {
  const ends: (() => void)[] = [];
  const begun = () => new Promise<void>((resolve) => setImmediate(resolve));
  const work = new Coalesced(() => new Promise((resolve) => ends.push(resolve)));
  for (let i = 0; i < 3; i++) work.wake();
  await begun();
  assert.equal(ends.length, 1);
  for (let i = 0; i < 3; i++) work.wake();
  await begun();
  assert.equal(ends.length, 1, 'never twice at once');
  ends[0]?.();
  await begun();
  assert.equal(ends.length, 2);
  ends[1]?.();
  await work.idle();
  assert.equal(ends.length, 2);
});
