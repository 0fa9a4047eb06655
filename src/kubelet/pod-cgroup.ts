import { readdir, rmdir } from 'node:fs/promises';
import path from 'node:path';
import { waitFor } from '../base/wait.ts';

const ROOT = '/sys/fs/cgroup';

/** Removes a pod's cgroup, which the runtime made and leaves behind, in every hierarchy that has it. */
export async function removePodCgroup(cgroup: string): Promise<void> {
  const hierarchies = (await readdir(ROOT, { withFileTypes: true })).filter((entry) => entry.isDirectory());
  const roots = [ROOT, ...hierarchies.map(({ name }) => path.join(ROOT, name))];
  await Promise.all(
    roots.map((root) =>
      // It is busy for a moment after its last process has ended.
      waitFor(() => removeTree(path.join(root, cgroup)), { what: `cgroup ${cgroup} to empty`, timeoutMs: 2_000 }),
    ),
  );
}

async function removeTree(folder: string): Promise<boolean> {
  try {
    for (const entry of await readdir(folder, { withFileTypes: true })) {
      if (entry.isDirectory()) await removeTree(path.join(folder, entry.name));
    }
    await rmdir(folder);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
  }
  return true;
}
