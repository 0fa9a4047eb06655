import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { runInTestNode } from './testing.ts';

test('the kubelet between a real API server and a real containerd (kubelet.suite.ts)', async () => {
  await runInTestNode(fileURLToPath(import.meta.resolve('./kubelet.suite.ts')));
});
