import { existsSync, mkdirSync, readdirSync, readFileSync, rmdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { waitFor } from '../base/wait.ts';

const root = '/sys/fs/cgroup';

/** Version 2 alone, or the hierarchies of version 1 (with or without a version 2 beside them). */
export type CgroupMode = 'v2' | 'v1';

export function cgroupMode(): CgroupMode {
  return existsSync(join(root, 'cgroup.controllers')) ? 'v2' : 'v1';
}

/** Folders of all hierarchies in which a cgroup may be. */
function hierarchies(): string[] {
  if (cgroupMode() === 'v2') return [root];
  return readdirSync(root, { withFileTypes: true })
    .filter((entry) => entry.isDirectory())
    .map((entry) => join(root, entry.name));
}

/** The hierarchy by which knit knows its processes: every process is in it, whatever else it is in. */
function tracking(): string {
  return cgroupMode() === 'v2' ? root : join(root, 'pids');
}

/** Makes a cgroup (path below the root, without `/` before it) and returns the file that takes a process into it. */
export function makeCgroup(path: string): string {
  const folder = join(tracking(), path);
  mkdirSync(folder, { recursive: true });
  return join(folder, 'cgroup.procs');
}

/** All processes in a cgroup and below it. */
export function processesIn(path: string): number[] {
  return foldersBelow(join(tracking(), path)).flatMap((folder) => {
    const pids = readIfThere(join(folder, 'cgroup.procs')).split('\n');
    return pids.filter((pid) => pid !== '').map(Number);
  });
}

/** Ends every process in a cgroup and below it with SIGKILL, and resolves when none is left. */
export async function killCgroup(path: string): Promise<void> {
  const killFile = join(tracking(), path, 'cgroup.kill');
  await waitFor(
    () => {
      const pids = processesIn(path);
      if (pids.length === 0) return true;
      if (existsSync(killFile)) writeFileSync(killFile, '1');
      else pids.forEach(kill);
      return false;
    },
    { what: `the processes in ${path} to end`, timeoutMs: 10_000, intervalMs: 5 },
  );
}

/** Removes an empty cgroup, what is below it, and the folders above it that it leaves empty, in every hierarchy. */
export async function removeCgroup(path: string): Promise<void> {
  for (const hierarchy of hierarchies()) {
    const folders = foldersBelow(join(hierarchy, path)).reverse();
    for (const folder of folders) {
      // A process that just ended keeps its cgroup busy for a moment.
      await waitFor(() => removeFolder(folder), { what: `${folder} to become free`, timeoutMs: 5_000, intervalMs: 5 });
    }
    for (let above = dirname(path); above !== '.'; above = dirname(above)) {
      if (!removeEmptyFolder(join(hierarchy, above))) break;
    }
  }
}

function kill(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
  }
}

function foldersBelow(folder: string): string[] {
  let entries: string[];
  try {
    entries = readdirSync(folder, { withFileTypes: true }).flatMap((entry) =>
      entry.isDirectory() ? [entry.name] : [],
    );
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
    throw error;
  }
  return [folder, ...entries.flatMap((name) => foldersBelow(join(folder, name)))];
}

function readIfThere(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    // ENODEV: the cgroup was removed between opening and reading.
    if (['ENOENT', 'ENODEV'].includes((error as NodeJS.ErrnoException).code ?? '')) return '';
    throw error;
  }
}

function removeFolder(folder: string): boolean {
  try {
    rmdirSync(folder);
    return true;
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code;
    if (code === 'ENOENT') return true;
    if (code === 'EBUSY') return false;
    throw error;
  }
}

function removeEmptyFolder(folder: string): boolean {
  const below = foldersBelow(folder);
  return below.length === 1 && readIfThere(join(folder, 'cgroup.procs')) === '' && removeFolder(folder);
}
