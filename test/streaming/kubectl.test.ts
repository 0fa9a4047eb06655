import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { runInTestNode } from '../../src/kubelet/testing.ts';

const there = spawnSync(process.env.KNIT_KUBECTL || 'kubectl', ['version', '--client']).status === 0;

test('exec, cp, attach, logs and port-forward with the real kubectl (kubectl.suite.ts)', {
  timeout: 120_000,
  skip: there ? false : 'kubectl is not installed',
}, async () => {
  assert.equal(await runInTestNode(fileURLToPath(import.meta.resolve('./kubectl.suite.ts'))), 0);
});
