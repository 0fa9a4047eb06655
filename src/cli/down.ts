import type { Command } from 'commander';
import { down } from '../cluster/down.ts';
import { nameOption, outputOption } from './options.ts';
import { progressFor } from './output.ts';

export function downCommand(program: Command): void {
  program
    .command('down')
    .description('end a cluster and remove all of it from this machine')
    .addOption(nameOption())
    .option('--keep', 'keep its state, so that knit up starts the same cluster again', false)
    .addOption(outputOption())
    .action(async (flags: { name: string; keep: boolean; output: string }) => {
      await down({ name: flags.name, keep: flags.keep, progress: progressFor(flags.output) });
    });
}
