import { spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  closeSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { KnitError } from '../base/errors.ts';
import { waitFor } from '../base/wait.ts';
import { killCgroup, makeCgroup } from '../kernel/cgroup.ts';
import { run } from '../kernel/run.ts';
import { quote } from '../machine/keeper.ts';
import { containerdVersion, imagesOnlyConfig } from './containerd.ts';
import { importArchive } from './images.ts';
import { clusterPaths } from './paths.ts';
import { distFolder } from './processes.ts';

/** In a containerd's root: which images that ship with knit are in it. */
const marker = 'knit-images';

/** Archives of the images that ship with knit. */
function archives(): string[] {
  return ['base.tar', 'lab.tar'].map((name) => join(distFolder, 'images', name)).filter((path) => existsSync(path));
}

/** Changes with the images. */
function imagesKey(): string {
  return archives()
    .map((path) => statSync(path))
    .map(({ size, mtimeMs }) => `${size}-${Math.floor(mtimeMs)}`)
    .join('-');
}

/**
 * Makes a containerd root that has the images which ship with knit, once for this version of both, and returns its
 * folder: every node begins with a copy, where unpacking the images anew takes each 0.3 s of CPU. The containerd that
 * makes it runs in the cgroup `cgroup` and ends with it.
 */
export async function prepareImages(cluster: string, cgroup: string): Promise<string> {
  const { text } = await containerdVersion();
  const folder = join(distFolder, 'prepared');
  const prepared = join(folder, `containerd-${text}-${imagesKey()}`);
  if (existsSync(prepared)) return prepared;
  const root = join(folder, `.${cluster}`);
  rmSync(root, { recursive: true, force: true });
  mkdirSync(root, { recursive: true });
  try {
    await importInto(root, cluster, cgroup);
    writeFileSync(join(root, marker), imagesKey());
    removeOlder(folder);
    renameSync(root, prepared);
  } catch (error) {
    rmSync(root, { recursive: true, force: true });
    // Another cluster's was there first.
    if (!existsSync(prepared)) throw error;
  }
  return prepared;
}

async function importInto(root: string, cluster: string, cgroup: string): Promise<void> {
  const runtime = clusterPaths(cluster).images;
  mkdirSync(runtime, { recursive: true });
  const socket = join(runtime, 'containerd.sock');
  const config = join(runtime, 'containerd.toml');
  const log = join(runtime, 'containerd.log');
  writeFileSync(config, imagesOnlyConfig({ root, state: join(runtime, 'state'), socket }));
  // What containerd mounts to unpack is gone with its namespace, however it ends.
  const command = `echo $$ > ${quote(makeCgroup(cgroup))}; exec unshare --mount containerd --config ${quote(config)}`;
  const output = openSync(log, 'w');
  const containerd = spawn('sh', ['-c', command], { stdio: ['ignore', output, output] });
  closeSync(output);
  const exit = once(containerd, 'exit');
  try {
    const ready = waitFor(() => existsSync(socket), { what: 'containerd', timeoutMs: 60_000, intervalMs: 5 });
    if (await Promise.race([ready.then(() => false), exit.then(() => true)]))
      throw new KnitError('CONTAINERD_FAILED', `containerd ended: ${readFileSync(log, 'utf8').trim()}`);
    for (const archive of archives()) await importArchive(socket, archive);
    containerd.kill('SIGTERM');
    await exit;
  } finally {
    await killCgroup(cgroup);
    rmSync(runtime, { recursive: true, force: true });
  }
}

function removeOlder(folder: string): void {
  for (const name of readdirSync(folder)) {
    if (!name.startsWith('.')) rmSync(join(folder, name), { recursive: true, force: true });
  }
}

/**
 * Gives a new node's containerd its root. Files are shared by hard links, but for containerd's databases: nothing else
 * in a root is ever written to again.
 */
export async function placeImages(prepared: string, root: string): Promise<void> {
  if (statSync(prepared).dev !== statSync(dirname(root)).dev) {
    await run('cp', ['-a', prepared, root]);
    return;
  }
  await run('cp', ['-a', '--link', prepared, root]);
  for (const plugin of readdirSync(root, { withFileTypes: true }).filter((entry) => entry.isDirectory())) {
    for (const file of readdirSync(join(root, plugin.name)).filter((name) => name.endsWith('.db'))) {
      const linked = join(root, plugin.name, file);
      copyFileSync(linked, `${linked}.own`);
      renameSync(`${linked}.own`, linked);
    }
  }
}

/** Loads the images into a containerd whose root was not prepared, or for another version of knit. */
export async function loadShippedImages(socket: string, root: string): Promise<void> {
  if (hasShippedImages(root)) return;
  // containerd makes its socket when it is ready; asking before that costs a process each time.
  await waitFor(() => existsSync(socket), { what: 'containerd', timeoutMs: 60_000, intervalMs: 10 });
  for (const archive of archives()) {
    await waitFor(() => importArchive(socket, archive), {
      what: `containerd to take ${archive}`,
      timeoutMs: 60_000,
      intervalMs: 50,
    });
  }
  writeFileSync(join(root, marker), imagesKey());
}

function hasShippedImages(root: string): boolean {
  const file = join(root, marker);
  return existsSync(file) && readFileSync(file, 'utf8') === imagesKey();
}
