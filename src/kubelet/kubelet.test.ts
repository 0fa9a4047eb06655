import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { runInTestNode } from './testing.ts';

test('the kubelet between a real API server and a real containerd (kubelet.suite.ts)', {
  timeout: 120_000,
}, async () => {
  assert.equal(await runInTestNode(fileURLToPath(import.meta.resolve('./kubelet.suite.ts'))), 0);
});
