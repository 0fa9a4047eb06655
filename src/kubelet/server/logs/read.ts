import { open } from 'node:fs/promises';
import { type FollowOptions, follow, openIfThere, readOn } from './follow.ts';
import { type LogFilter, LogFormatter } from './format.ts';
import { tailOffset } from './tail.ts';

export interface LogRequest extends LogFilter {
  readonly follow: boolean;
  /** Only the last so many entries of the file. */
  readonly tailLines?: number;
}

/** What a container wrote, read from its CRI log file. A chunk belongs to the caller. */
export async function* readLog(path: string, request: LogRequest, options: FollowOptions): AsyncGenerator<Buffer> {
  const formatter = new LogFormatter(request);
  const start = await startOf(path, request);
  for await (const chunk of request.follow ? follow(path, start, options) : readOnce(path, start)) {
    const output = formatter.push(chunk);
    if (output.length > 0) yield output;
    if (formatter.done) return;
  }
}

async function startOf(path: string, { tailLines, follow }: LogRequest): Promise<number> {
  if (tailLines === undefined) return 0;
  await using file = follow ? await openIfThere(path) : await open(path);
  return file ? await tailOffset(file, tailLines) : 0;
}

async function* readOnce(path: string, start: number): AsyncGenerator<Buffer> {
  await using file = await open(path);
  yield* readOn(file, start, Buffer.allocUnsafe(64 * 1024));
}
