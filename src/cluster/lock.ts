import { mkdirSync, readdirSync, readFileSync, rmdirSync, rmSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { KnitError } from '../base/errors.ts';
import { clusterPaths } from './paths.ts';

/**
 * Does `work` while no other command changes the cluster. Throws `CLUSTER_BUSY`, with the other's process id; a lock
 * whose owner has ended is taken over.
 */
export async function withLock<T>(name: string, work: () => Promise<T>): Promise<T> {
  const path = clusterPaths(name).lock;
  take(name, path);
  try {
    return await work();
  } finally {
    rmSync(path, { force: true });
    removeIfEmpty(dirname(path));
  }
}

function take(name: string, path: string): void {
  mkdirSync(dirname(path), { recursive: true });
  try {
    writeFileSync(path, String(process.pid), { flag: 'wx' });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
    const owner = Number(readFileSync(path, 'utf8'));
    if (isAlive(owner)) {
      throw new KnitError(
        'CLUSTER_BUSY',
        `another knit command works on the cluster ${name} (pid ${owner})`,
        'wait for it to end',
      );
    }
    rmSync(path, { force: true });
    take(name, path);
  }
}

function removeIfEmpty(folder: string): void {
  if (readdirSync(folder).length === 0) rmdirSync(folder);
}

function isAlive(pid: number): boolean {
  try {
    return pid > 0 && process.kill(pid, 0);
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}
