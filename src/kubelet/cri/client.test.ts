import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { runInTestNode } from '../testing.ts';

test('the CRI client against a real containerd (client.suite.ts)', { timeout: 60_000 }, async () => {
  assert.equal(await runInTestNode(fileURLToPath(import.meta.resolve('./client.suite.ts'))), 0);
});
