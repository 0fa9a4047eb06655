import { randomBytes } from 'node:crypto';
import { chmod, chown, mkdir, readdir, readFile, readlink, rename, rm, symlink, writeFile } from 'node:fs/promises';
import path from 'node:path';

export interface PayloadFile {
  readonly data: Uint8Array;
  /** Permission bits. */
  readonly mode: number;
  /** Whose it is; root's where it is left out. */
  readonly user?: number;
}

/** Files by their path in the volume. */
export type Payload = ReadonlyMap<string, PayloadFile>;

const DATA = '..data';

/**
 * Writes a volume's files so that a reader sees all of the old ones or all of the new ones. The layout is Kubernetes'
 * own (and programs rely on it, they watch `..data`): files are in a folder named by time, `..data` is a link to it that
 * is replaced by one rename, and what the user sees are links through `..data`.
 *
 * Resolves to whether anything changed.
 */
export async function writePayload(folder: string, payload: Payload, group?: number): Promise<boolean> {
  await mkdir(folder, { recursive: true });
  const old = await readlink(path.join(folder, DATA)).catch(ifMissing(undefined));
  if (old !== undefined && (await holds(path.join(folder, old), payload))) return false;
  const fresh = `..${timestamp()}.${randomBytes(4).readUInt32BE()}`;
  await writeFiles(path.join(folder, fresh), payload, group);
  const link = path.join(folder, '..data_tmp');
  await rm(link, { force: true });
  await symlink(fresh, link);
  await rename(link, path.join(folder, DATA));
  await linkVisibleNames(folder, payload);
  if (old !== undefined) await rm(path.join(folder, old), { recursive: true, force: true });
  return true;
}

/** `2026_01_31_13_05_59` */
function timestamp(): string {
  return new Date().toISOString().slice(0, 19).replace(/[-T:]/g, '_');
}

async function holds(folder: string, payload: Payload): Promise<boolean> {
  const present = await readdir(folder, { recursive: true, withFileTypes: true }).catch(ifMissing([]));
  const files = present.filter((entry) => entry.isFile());
  if (files.length !== payload.size) return false;
  for (const [name, { data }] of payload) {
    const content = await readFile(path.join(folder, name)).catch(ifMissing(undefined));
    if (!content?.equals(data)) return false;
  }
  return true;
}

async function writeFiles(folder: string, payload: Payload, group: number | undefined): Promise<void> {
  await mkdir(folder, { mode: 0o755 });
  for (const [name, { data, mode, user = 0 }] of payload) {
    const file = path.join(folder, name);
    await mkdir(path.dirname(file), { recursive: true });
    await writeFile(file, data);
    // The group of a pod reads what its owner reads (SetVolumeOwnership).
    await chmod(file, group === undefined ? mode : mode | 0o440);
    if (group !== undefined || user !== 0) await chown(file, user, group ?? 0);
  }
}

async function linkVisibleNames(folder: string, payload: Payload): Promise<void> {
  const wanted = new Set([...payload.keys()].map((name) => name.split('/')[0] ?? name));
  for (const name of await readdir(folder)) {
    if (!name.startsWith('..') && !wanted.has(name)) await rm(path.join(folder, name), { recursive: true });
  }
  for (const name of wanted) {
    await symlink(path.join(DATA, name), path.join(folder, name)).catch((error: NodeJS.ErrnoException) => {
      if (error.code !== 'EEXIST') throw error;
    });
  }
}

function ifMissing<T>(instead: T): (error: NodeJS.ErrnoException) => T {
  return (error) => {
    if (error.code === 'ENOENT') return instead;
    throw error;
  };
}
