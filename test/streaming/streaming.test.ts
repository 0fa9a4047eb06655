import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { runInTestNode } from '../../src/kubelet/testing.ts';

test('logs, exec, attach and port-forward through a real containerd (streaming.suite.ts)', {
  timeout: 120_000,
}, async () => {
  assert.equal(await runInTestNode(fileURLToPath(import.meta.resolve('./streaming.suite.ts'))), 0);
});
