import type { Stats } from 'node:fs';
import { chmod, mkdir, stat, writeFile } from 'node:fs/promises';
import type { Volume } from '../../api/types.ts';

const checks: Readonly<Record<string, { readonly is: (stats: Stats) => boolean; readonly words: string }>> = {
  Directory: { is: (stats) => stats.isDirectory(), words: 'a directory' },
  DirectoryOrCreate: { is: (stats) => stats.isDirectory(), words: 'a directory' },
  File: { is: (stats) => stats.isFile(), words: 'a file' },
  FileOrCreate: { is: (stats) => stats.isFile(), words: 'a file' },
  Socket: { is: (stats) => stats.isSocket(), words: 'a socket file' },
  CharDevice: { is: (stats) => stats.isCharacterDevice(), words: 'a character device' },
  BlockDevice: { is: (stats) => stats.isBlockDevice(), words: 'a block device' },
};

/** Makes sure that what a hostPath volume names is what its `type` says, and makes it where the type asks for that. */
export async function prepareHostPath(hostPath: NonNullable<Volume['hostPath']>): Promise<string> {
  const { path, type = '' } = hostPath;
  const check = checks[type];
  if (!check) return path;
  let stats = await statIfThere(path);
  if (!stats && type.endsWith('OrCreate')) {
    if (type === 'DirectoryOrCreate') await mkdir(path, { recursive: true });
    else await writeFile(path, '', { flag: 'a' });
    await chmod(path, type === 'DirectoryOrCreate' ? 0o755 : 0o644);
    stats = await stat(path);
  }
  if (!stats || !check.is(stats)) throw new Error(`hostPath type check failed: ${path} is not ${check.words}`);
  return path;
}

async function statIfThere(path: string): Promise<Stats | undefined> {
  try {
    return await stat(path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}
