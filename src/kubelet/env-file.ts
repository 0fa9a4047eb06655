import { readFile, realpath } from 'node:fs/promises';
import path from 'node:path';

/**
 * The value of a variable in a file of a volume, as an init container writes it: `NAME='value'` a line, in single quotes,
 * which may hold line breaks (KEP-3721). `undefined`: the file or the variable is not there.
 */
export async function envFileValue(volume: string, file: string, name: string): Promise<string | undefined> {
  const text = await readBelow(volume, file);
  return text === undefined ? undefined : parseEnvFile(text).get(name);
}

async function readBelow(volume: string, file: string): Promise<string | undefined> {
  try {
    const [root, target] = await Promise.all([realpath(volume), realpath(path.join(volume, file))]);
    if (!target.startsWith(`${root}${path.sep}`)) throw new Error(`${file} leads out of the volume`);
    return await readFile(target, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}

/** Blank space and comments to the end of the line. */
const nothing = /(?:[ \t]*(?:#[^\n]*)?(?:\n|$))*[ \t]*/y;
/** What a shell takes for an empty value, with a command behind it, is an empty value here too. */
const assignment = /([^\s=][^\n=]*?)=(?:'([^']*)'[ \t]*(?:#[^\n]*)?|[ \t][^\n]*)(?:\n|$)/y;

/** The first value of each variable. Throws for whatever else than assignments and comments is there. */
export function parseEnvFile(text: string): Map<string, string> {
  const values = new Map<string, string>();
  let at = 0;
  for (;;) {
    nothing.lastIndex = at;
    nothing.exec(text);
    at = nothing.lastIndex;
    if (at >= text.length) return values;
    assignment.lastIndex = at;
    const [, name = '', value = ''] = assignment.exec(text) ?? [];
    if (name === '' || /\s$/.test(name)) {
      throw new Error(`invalid environment variable format at line ${text.slice(0, at).split('\n').length}`);
    }
    if (!values.has(name)) values.set(name, value);
    at = assignment.lastIndex;
  }
}
