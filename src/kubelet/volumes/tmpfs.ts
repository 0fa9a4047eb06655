import { mkdir, readFile, stat } from 'node:fs/promises';
import path from 'node:path';
import { run } from '../../kernel/run.ts';

/**
 * Makes a folder that is kept in memory, unless it is one already (a mount ends with the machine's power, its folder does
 * not). Resolves to whether it was made.
 */
export function ensureTmpfs(folder: string, sizeBytes?: number): Promise<boolean> {
  const before = making.get(folder);
  // Two pods that ask at once must not mount it twice, one over the other.
  const made = before ? before.then(() => false) : mountTmpfs(folder, sizeBytes);
  if (!before) {
    making.set(folder, made);
    made.finally(() => making.delete(folder)).catch(() => undefined);
  }
  return made;
}

const making = new Map<string, Promise<boolean>>();

async function mountTmpfs(folder: string, sizeBytes?: number): Promise<boolean> {
  await mkdir(folder, { recursive: true });
  const [own, parent] = await Promise.all([stat(folder), stat(path.dirname(folder))]);
  if (own.dev !== parent.dev) return false;
  const options = sizeBytes ? ['-o', `size=${Math.ceil(sizeBytes)}`] : [];
  await run('mount', ['-t', 'tmpfs', ...options, 'tmpfs', folder]);
  return true;
}

/** Unmounts everything below a folder, the innermost first. */
export async function unmountBelow(folder: string): Promise<void> {
  const all = mountTargets(await readFile('/proc/self/mounts', 'utf8'));
  const targets = all.filter((target) => target.startsWith(`${folder}${path.sep}`));
  for (const target of targets.reverse()) await run('umount', [target]);
}

/** Where the mounts of a mount table stand, in its order. */
export const mountTargets = (table: string): string[] =>
  table.split('\n').map((line) => unescapeMount(line.split(' ')[1] ?? ''));

/** proc(5): blanks and backslashes in paths are written in octal. */
function unescapeMount(target: string): string {
  return target.replace(/\\([0-7]{3})/g, (_, octal: string) => String.fromCharCode(Number.parseInt(octal, 8)));
}
