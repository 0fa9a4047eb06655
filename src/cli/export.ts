import { resolve } from 'node:path';
import type { Command } from 'commander';
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
      const archive = resolve(path ?? `knit-${flags.name}-logs.tar.gz`);
      await progressFor('text').step('Gathering', () => exportLogs(flags.name, archive));
      print(archive);
    });
}
