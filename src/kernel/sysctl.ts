import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { KnitError, messageOf } from '../base/errors.ts';

/**
 * Sets a kernel parameter of this process's own namespaces: `net.ipv4.ip_forward`. A part that holds dots itself is
 * written with slashes: `net/ipv4/conf/eth0.5/rp_filter`. Throws `SYSCTL_REFUSED`.
 */
export async function setSysctl(name: string, value: string | number): Promise<void> {
  try {
    await writeFile(pathOf(name), `${value}\n`);
  } catch (error) {
    throw new KnitError('SYSCTL_REFUSED', `cannot set ${name} to ${value}: ${messageOf(error)}`, 'run: knit doctor');
  }
}

/** `undefined` where this kernel has no such parameter. */
export async function getSysctl(name: string): Promise<string | undefined> {
  try {
    return (await readFile(pathOf(name), 'utf8')).trim();
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}

function pathOf(name: string): string {
  return join('/proc/sys', name.includes('/') ? name : name.replaceAll('.', '/'));
}
