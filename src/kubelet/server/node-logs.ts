import { createReadStream } from 'node:fs';
import { readdir, realpath, stat } from 'node:fs/promises';
import type { ServerResponse } from 'node:http';
import path from 'node:path';
import { pipeline } from 'node:stream/promises';
import { HttpError } from './answer.ts';

/** Folders by the name under which they are shown in `/logs/`; that of the name `''` is shown there itself. */
export type LogFolders = Readonly<Record<string, string>>;

/**
 * `/logs/PATH`: the node's log files, as they are, and lists of what is in a folder; in Kubernetes those of the machine's
 * `/var/log`. A link that leads out of its folder leads nowhere.
 */
export async function serveNodeLogs(
  response: ServerResponse,
  parts: readonly string[],
  folders: LogFolders,
): Promise<void> {
  const names = parts.filter((part) => part !== '');
  const [first = ''] = names;
  const shown = first !== '' && folders[first] !== undefined;
  const file = await insideOf(folders[shown ? first : ''], shown ? names.slice(1) : names);
  const { size, isFolder } = await stat(file).then((found) => ({ size: found.size, isFolder: found.isDirectory() }));
  if (isFolder) {
    const more = names.length === 0 ? Object.keys(folders).filter((name) => name !== '') : [];
    sendList(response, [...(await namesIn(file)), ...more.map((name) => `${name}/`)]);
    return;
  }
  response.setHeader('Content-Type', 'text/plain; charset=utf-8');
  response.setHeader('Content-Length', size);
  if (size === 0) response.end();
  // It may grow meanwhile.
  else await pipeline(createReadStream(file, { end: size - 1 }), response);
}

async function insideOf(folder: string | undefined, names: readonly string[]): Promise<string> {
  try {
    if (folder === undefined || names.some((name) => name === '..' || /[/\0]/.test(name))) throw notFound();
    const root = await realpath(folder);
    const found = await realpath(path.join(root, ...names));
    if (found === root || found.startsWith(`${root}${path.sep}`)) return found;
  } catch {
    // Whatever the cause, there is nothing to be shown.
  }
  throw notFound();
}

const notFound = (): HttpError => new HttpError(404, '404 page not found');

async function namesIn(folder: string): Promise<string[]> {
  const entries = await readdir(folder, { withFileTypes: true });
  return entries.map((entry) => (entry.isDirectory() ? `${entry.name}/` : entry.name));
}

/** As Go's file server writes it, which clients of the kubelet read. */
function sendList(response: ServerResponse, names: readonly string[]): void {
  const lines = [...names].sort().map((name) => `<a href="${encodeURI(name)}">${escaped(name)}</a>\n`);
  response.setHeader('Content-Type', 'text/html; charset=utf-8');
  response.end(`<!doctype html>\n<pre>\n${lines.join('')}</pre>\n`);
}

const escaped = (text: string): string => text.replace(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`);
