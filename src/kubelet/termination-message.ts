import { open } from 'node:fs/promises';
import path from 'node:path';
import { annotation } from './labels.ts';
import { terminationLogFile } from './mounts.ts';
import type { KubeletPaths } from './paths.ts';
import type { ContainerRecord } from './pod-runtime.ts';

const MAX_BYTES = 4096;
/** From a log, for `FallbackToLogsOnError`. */
const MAX_LOG_BYTES = 2048;
const MAX_LOG_LINES = 80;

/** What an ended container has left as its last words: its termination log, or the end of its log if it asked for that. */
export async function terminationMessage(
  record: ContainerRecord,
  pod: { readonly uid: string; readonly logDirectory: string },
  paths: KubeletPaths,
): Promise<string> {
  const file = terminationLogFile(pod.uid, record.name, record.restartCount, paths);
  const message = (await tail(file, MAX_BYTES)).toString();
  const policy = record.status.annotations[annotation.terminationMessagePolicy];
  if (message !== '' || policy !== 'FallbackToLogsOnError' || record.status.exitCode === 0) return message;
  const log = path.join(pod.logDirectory, paths.containerLog(record.name, record.restartCount));
  return lastLines((await tail(log, 8 * MAX_LOG_BYTES)).toString());
}

/** The text of CRI log lines (`TIME STREAM F|P TEXT`). */
function lastLines(log: string): string {
  const lines = log.split('\n').slice(-MAX_LOG_LINES - 1);
  const text = lines
    .flatMap((line) => /^\S+ (?:stdout|stderr) ([FP]\S*) (.*)$/.exec(line)?.slice(1).join(' ') ?? [])
    .map((line) => (line.startsWith('P') ? line.slice(2) : `${line.slice(2)}\n`))
    .join('');
  return text.slice(-MAX_LOG_BYTES);
}

async function tail(file: string, bytes: number): Promise<Buffer> {
  const handle = await open(file).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return undefined;
    throw error;
  });
  if (!handle) return Buffer.alloc(0);
  try {
    const { size } = await handle.stat();
    const length = Math.min(size, bytes);
    const { buffer } = await handle.read(Buffer.alloc(length), 0, length, size - length);
    return buffer;
  } finally {
    await handle.close();
  }
}
