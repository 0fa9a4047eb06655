import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { runInTestNode } from '../testing.ts';

test('volumes and security contexts in real containers (volumes.suite.ts)', {
  timeout: 120_000,
}, async () => {
  assert.equal(await runInTestNode(fileURLToPath(import.meta.resolve('./volumes.suite.ts'))), 0);
});
