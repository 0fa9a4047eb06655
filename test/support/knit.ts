import { existsSync, mkdirSync, readdirSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { type RunOptions, type RunResult, tryRun } from '../../src/kernel/run.ts';

export const knitCommand = join(import.meta.dirname, '../../bin/knit');
export const kubectlCommand = join(import.meta.dirname, '../../dist/tools/kubectl');

/** `knit` as a person types it, with what it printed and its exit code. `env` is added to the test's own. */
export async function tryKnit(args: readonly string[], options: RunOptions = {}): Promise<RunResult> {
  const env = { ...process.env, ...options.env };
  return await tryRun(knitCommand, args, { timeoutMs: 120_000, ...options, env });
}

/** Fills `folder` with links to every command of this machine but those in `missing`, for use as `PATH`. */
export function pathWithout(folder: string, ...missing: readonly string[]): string {
  mkdirSync(folder, { recursive: true });
  for (const from of ['/usr/local/bin', '/usr/bin', '/bin']) {
    for (const name of existsSync(from) ? readdirSync(from) : []) {
      const link = join(folder, name);
      if (!missing.includes(name) && !existsSync(link)) symlinkSync(join(from, name), link);
    }
  }
  return folder;
}
