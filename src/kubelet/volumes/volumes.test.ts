import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { runInTestNode } from '../testing.ts';

test('volumes and security contexts in real containers (volumes.suite.ts)', async () => {
  await runInTestNode(fileURLToPath(import.meta.resolve('./volumes.suite.ts')));
});
