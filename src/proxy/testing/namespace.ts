import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { tryRun } from '../../kernel/run.ts';

const INSIDE = 'KNIT_TEST_IN_NAMESPACE';

/**
 * Runs a test file's tests in a network namespace that has no name and ends with its last process: for components that
 * change the network they are in. `url` is the file's `import.meta.url`.
 */
export function inNamespace(url: string, title: string, tests: () => void): void {
  if (process.env[INSIDE]) {
    tests();
    return;
  }
  test(title, { timeout: 300_000 }, async () => {
    const env = { ...process.env, [INSIDE]: '1', NODE_TEST_CONTEXT: undefined };
    const args = ['-n', process.execPath, '--test', '--test-reporter=spec', fileURLToPath(url)];
    const { code, stdout } = await tryRun('unshare', args, { env, timeoutMs: 290_000 });
    assert.equal(code, 0, stdout);
  });
}
