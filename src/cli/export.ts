import { chownSync } from 'node:fs';
import { resolve } from 'node:path';
import type { Command } from 'commander';
import { contextName } from '../cluster/config.ts';
import { exportLogs } from '../cluster/export-logs.ts';
import { nameOption } from './options.ts';
import { print, progressFor } from './output.ts';

export function exportCommand(program: Command): void {
  program
    .command('export')
    .description('gather what a bug report needs')
    .command('logs')
    .description('logs, objects and kernel state in one archive, without keys and Secrets')
    .argument('[archive.tar.gz]', 'where to')
    .addOption(nameOption())
    .action(async (path: string | undefined, flags: { name: string }) => {
      const archive = resolve(path ?? `${contextName(flags.name)}-logs.tar.gz`);
      await progressFor('text').step('Gathering', () => exportLogs(flags.name, archive));
      giveToCaller(archive);
      print(archive);
    });
}

/** Through sudo the archive is still for the user who asked for it. */
function giveToCaller(path: string): void {
  const { SUDO_UID: uid, SUDO_GID: gid } = process.env;
  if (uid && gid && process.getuid?.() === 0) chownSync(path, Number(uid), Number(gid));
}
