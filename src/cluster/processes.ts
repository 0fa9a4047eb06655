import { existsSync } from 'node:fs';
import { join } from 'node:path';

/** Folder of the built programs: `server.js`, `agent.js`, `dns.js`, `images/`. */
export const distFolder = process.env.KNIT_DIST ?? import.meta.dirname;

/** The command line of one of knit's own programs. */
export function program(name: 'server' | 'agent', args: readonly string[], flags: readonly string[] = []): string[] {
  return [process.execPath, ...flags, join(distFolder, `${name}.js`), ...args];
}

/** Archive of the images that ship with knit. */
export function imagesArchive(): string | undefined {
  const path = join(distFolder, 'images/knit.tar');
  return existsSync(path) ? path : undefined;
}
