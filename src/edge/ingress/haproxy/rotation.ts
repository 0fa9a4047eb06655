import { copyFile, stat, truncate } from 'node:fs/promises';

const everyMs = 30_000;
const largest = 64 << 20;

/**
 * Keeps logs from growing for ever: one that is too large goes to `FILE.1` and is begun anew. HAProxy holds the file
 * open and appends, so it is copied and emptied; a few lines of that moment are lost. Returns what ends it.
 */
export function keepLogsSmall(files: readonly string[], onError: (error: unknown) => void): () => void {
  const timer = setInterval(() => {
    for (const file of files) rotate(file).catch(onError);
  }, everyMs).unref();
  return () => clearInterval(timer);
}

async function rotate(file: string): Promise<void> {
  if ((await stat(file)).size < largest) return;
  await copyFile(file, `${file}.1`);
  await truncate(file);
}
