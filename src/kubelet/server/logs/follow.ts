import { type FSWatcher, watch } from 'node:fs';
import { type FileHandle, open, stat } from 'node:fs/promises';
import { dirname } from 'node:path';

/**
 * Tells when something in a directory changed. Changes are counted, so that one between a look at the files and the wait
 * for the next change is not missed.
 */
export class DirectoryChanges {
  readonly #watcher: FSWatcher;
  readonly #signal: AbortSignal;
  #count = 0;
  #wake: (() => void) | undefined;

  constructor(directory: string, signal: AbortSignal) {
    this.#signal = signal;
    this.#watcher = watch(directory, { persistent: false }, () => this.notify());
    // A directory that goes away takes its files with it: the reader finds that out by itself.
    this.#watcher.on('error', () => this.notify());
    signal.addEventListener('abort', this.notify);
  }

  get count(): number {
    return this.#count;
  }

  readonly notify = (): void => {
    this.#count += 1;
    this.#wake?.();
  };

  /** Resolves when there was a change since `count` was `seen`. */
  async after(seen: number): Promise<void> {
    if (this.#count !== seen) return;
    await new Promise<void>((resolve) => {
      this.#wake = resolve;
    });
    this.#wake = undefined;
  }

  close(): void {
    this.#signal.removeEventListener('abort', this.notify);
    this.#watcher.close();
  }
}

const readBytes = 64 * 1024;

/** Gives what stands in `file` behind `position`, in one buffer that the next step overwrites; returns the new end. */
export async function* readOn(file: FileHandle, position: number, buffer: Buffer): AsyncGenerator<Buffer, number> {
  for (let at = position; ; ) {
    const { bytesRead } = await file.read(buffer, 0, buffer.length, at);
    if (bytesRead === 0) return at;
    at += bytesRead;
    yield buffer.subarray(0, bytesRead);
  }
}

export interface FollowOptions {
  /** Resolves when no more will be written. */
  readonly ended: Promise<void>;
  readonly signal: AbortSignal;
}

/**
 * Gives the bytes of a growing log file from `position` on, through rotations (the file is renamed, and a new one takes
 * its name), until `ended` resolves and all is read, or `signal` fires. A chunk is valid until the next is asked for.
 */
export async function* follow(path: string, position: number, options: FollowOptions): AsyncGenerator<Buffer> {
  const changes = new DirectoryChanges(dirname(path), options.signal);
  let ended = false;
  const end = () => {
    ended = true;
    changes.notify();
  };
  // Where nobody can tell any more whether there is more to come, what is there is all.
  options.ended.then(end, end);
  const buffer = Buffer.allocUnsafe(readBytes);
  let file = await openIfThere(path);
  try {
    for (let at = position; !options.signal.aborted; ) {
      const seen = changes.count;
      const last = ended;
      const rotated = file ? await isReplaced(path, file) : false;
      if (file) at = yield* readOn(file, at, buffer);
      if (rotated || !file) {
        await file?.close();
        file = await openIfThere(path);
        at = 0;
        if (file) continue;
      }
      if (last) return;
      await changes.after(seen);
    }
  } finally {
    changes.close();
    await file?.close();
  }
}

/** A log that nobody wrote to yet may not be there. */
export async function openIfThere(path: string): Promise<FileHandle | undefined> {
  try {
    return await open(path);
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined;
    throw error;
  }
}

/** True when another file has taken the name; what is written from then on goes there. */
async function isReplaced(path: string, file: FileHandle): Promise<boolean> {
  const [named, opened] = await Promise.all([stat(path).catch(() => undefined), file.stat()]);
  return named !== undefined && named.ino !== opened.ino;
}
