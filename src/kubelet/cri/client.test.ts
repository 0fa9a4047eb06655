import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { runInTestNode } from '../testing.ts';

test('the CRI client against a real containerd (client.suite.ts)', async () => {
  await runInTestNode(fileURLToPath(import.meta.resolve('./client.suite.ts')));
});
