import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { runInTestNode } from '../../src/kubelet/testing.ts';

test('logs, exec, attach and port-forward through a real containerd (streaming.suite.ts)', async () => {
  await runInTestNode(fileURLToPath(import.meta.resolve('./streaming.suite.ts')));
});
