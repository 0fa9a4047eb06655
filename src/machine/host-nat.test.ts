import assert from 'node:assert/strict';
import { test } from 'node:test';
import { tryRun } from '../kernel/run.ts';
import { hostNatRules } from './host-nat.ts';
import { resolversIn } from './resolvers.ts';

test('the table of the way out is one that nft takes', async () => {
  const input = hostNatRules({ prefix: 'knit-demo', hostInterface: 'knit3' });
  const { code, stderr } = await tryRun('nft', ['--check', '-f', '-'], { input });
  assert.equal(code, 0, stderr);
});

test('resolvers on the loopback and of IPv6 are left out: nodes cannot reach them', () => {
  const text = '# a comment\nsearch lan\nnameserver 127.0.0.53\nnameserver ::1\nnameserver  10.0.0.1 \noptions edns0\n';
  assert.deepEqual(resolversIn(text), ['10.0.0.1']);
});
