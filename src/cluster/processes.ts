import { join } from 'node:path';

/** Folder of the built programs: `server.js`, `agent.js`, `dns.js`, `images/`. */
export const distFolder = process.env.KNIT_DIST ?? import.meta.dirname;

/** The command line of one of knit's own programs. */
export function program(name: 'server' | 'agent', args: readonly string[], flags: readonly string[] = []): string[] {
  return [process.execPath, ...flags, join(distFolder, `${name}.js`), ...args];
}
