import { stat, truncate } from 'node:fs/promises';
import { run } from '../../../kernel/run.ts';

const everyMs = 30_000;
const largest = 64 << 20;
/** Of `blocks`, whatever the file system's is. */
const blockSize = 512;

/**
 * Keeps logs from growing for ever: one that takes too much goes to `FILE.1` and is begun anew. HAProxy holds the file
 * open, so it is copied and emptied; a few lines of that moment are lost, and what comes then stands behind a hole of
 * what was there, which takes nothing. Returns what ends it.
 */
export function keepLogsSmall(files: readonly string[], onError: (error: unknown) => void): () => void {
  const timer = setInterval(() => {
    for (const file of files) rotate(file).catch(onError);
  }, everyMs).unref();
  return () => clearInterval(timer);
}

async function rotate(file: string): Promise<void> {
  if ((await stat(file)).blocks * blockSize < largest) return;
  await run('cp', ['--sparse=always', file, `${file}.1`]);
  await truncate(file);
}
