import { mkdir, readFile } from 'node:fs/promises';
import { run, tryRun } from '../../kernel/run.ts';
import { mountTargets } from './tmpfs.ts';

/**
 * Shows the files of an image, which is on the node, as a folder that nobody can write to (KEP-4639). CRI has mounts for
 * it since containerd 2.1; `ctr` can do it with each. It is unmounted with all else below the pod's folder; what the
 * runtime keeps for it ends with its lease, within a day.
 */
export function mountImage(socket: string, imageId: string, folder: string): Promise<void> {
  const before = mounting.get(folder);
  if (before) return before;
  const mounted = mountUnlessThere(socket, imageId, folder).finally(() => mounting.delete(folder));
  mounting.set(folder, mounted);
  return mounted;
}

const mounting = new Map<string, Promise<void>>();

async function mountUnlessThere(socket: string, imageId: string, folder: string): Promise<void> {
  if (mountTargets(await readFile('/proc/self/mounts', 'utf8')).includes(folder)) return;
  await mkdir(folder, { recursive: true });
  const ctr = ['--address', socket, '--namespace', 'k8s.io', 'images'];
  // What is left of a mount that ended with the node.
  await tryRun('ctr', [...ctr, 'unmount', '--rm', folder]);
  await run('ctr', [...ctr, 'mount', imageId, folder]);
}
