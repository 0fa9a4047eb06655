import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { runInTestNode } from '../../src/kubelet/testing.ts';

test('exec, cp, attach, logs and port-forward with the real kubectl (kubectl.suite.ts)', async () => {
  await runInTestNode(fileURLToPath(import.meta.resolve('./kubectl.suite.ts')));
});
