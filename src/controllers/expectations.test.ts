import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Expectations } from './expectations.ts';

test('what was asked for is waited for, also when the clock is set', (t) => {
  const expectations = new Expectations();
  expectations.expect('default/web', 1, ['uid']);
  const now = Date.now.bind(Date);
  t.mock.method(Date, 'now', () => now() + 86_400_000);
  assert.equal(expectations.fulfilled('default/web'), false);
  expectations.created('default/web');
  assert.equal(expectations.fulfilled('default/web'), false);
  expectations.deleted('default/web', 'uid');
  assert.equal(expectations.fulfilled('default/web'), true);
});
