import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { runInTestNode } from '../../src/kubelet/testing.ts';

test('exec, cp, attach, logs and port-forward with the real kubectl (kubectl.suite.ts)', {
  timeout: 120_000,
}, async () => {
  assert.equal(await runInTestNode(fileURLToPath(import.meta.resolve('./kubectl.suite.ts'))), 0);
});
