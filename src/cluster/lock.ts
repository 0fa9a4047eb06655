import { mkdirSync, readFileSync, readlinkSync, rmdirSync, rmSync, symlinkSync } from 'node:fs';
import { dirname } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
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
    for (const folder of [dirname(path), dirname(dirname(path))]) removeIfEmpty(folder);
  }
}

/** Of all clusters together; a name that no cluster can have. */
const addresses = '.addresses';
const addressesMs = 30_000;

/** Does `work` while no other command chooses addresses on this machine; waits for one that does. */
export async function withAddresses<T>(work: () => Promise<T>): Promise<T> {
  const deadline = Date.now() + addressesMs;
  for (;;) {
    let mine = false;
    try {
      return await withLock(addresses, () => {
        mine = true;
        return work();
      });
    } catch (error) {
      const isBusy = !mine && error instanceof KnitError && error.code === 'CLUSTER_BUSY';
      if (!isBusy || Date.now() > deadline) throw error;
      await delay(10);
    }
  }
}

/** How often a lock is tried for that others give up or take over at the same moment. */
const attempts = 10;

function take(name: string, path: string): void {
  for (let attempt = 0; attempt < attempts; attempt++) {
    if (create(path)) return;
    const owner = readOwner(path);
    if (owner === undefined) continue;
    if (isAlive(owner)) throw busy(name, owner.split(' ')[0]);
    // Only the lock that was found abandoned: another command may have replaced it since.
    if (readOwner(path) === owner) rmSync(path, { force: true });
  }
  throw busy(name, readOwner(path)?.split(' ')[0]);
}

/** Makes the lock, a link to its owner's name: in one step, and on a full disk too. False where there is one. */
function create(path: string): boolean {
  try {
    mkdirSync(dirname(path), { recursive: true });
    symlinkSync(ownerOf(process.pid), path);
    return true;
  } catch (error) {
    // ENOENT: whoever had the lock before took its folder away just now.
    if (['EEXIST', 'ENOENT'].includes((error as NodeJS.ErrnoException).code ?? '')) return false;
    throw error;
  }
}

/** `812 48213`: process id and the moment of its start, since ids are used again. */
function ownerOf(pid: number): string {
  return `${pid} ${startOf(pid)}`;
}

function isAlive(owner: string): boolean {
  const [pid, start] = owner.split(' ');
  return startOf(Number(pid)) === start;
}

/** Clock ticks between the machine's boot and the process's start (proc(5), `stat`); `''`: it ended. */
function startOf(pid: number): string {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    return stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19] ?? '';
  } catch (error) {
    if (['ENOENT', 'ESRCH'].includes((error as NodeJS.ErrnoException).code ?? '')) return '';
    throw error;
  }
}

function readOwner(path: string): string | undefined {
  try {
    return readlinkSync(path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}

function busy(name: string, pid: string | undefined): KnitError {
  return new KnitError(
    'CLUSTER_BUSY',
    `another knit command works on the cluster ${name} (pid ${pid ?? 'unknown'})`,
    'wait for it to end',
  );
}

function removeIfEmpty(folder: string): void {
  try {
    rmdirSync(folder);
  } catch (error) {
    // Not empty, or another command was faster.
    if (!['ENOTEMPTY', 'EEXIST', 'ENOENT'].includes((error as NodeJS.ErrnoException).code ?? '')) throw error;
  }
}
