import type { Command } from 'commander';
import { Argument } from 'commander';
import { accessLog } from '../cluster/ingress-log.ts';
import { runningConfig } from '../cluster/running.ts';
import { formatAccessEntry } from '../edge/ingress/access-log.ts';
import { interruptible } from './interrupt.ts';
import { nameOption, outputOption, parseCount } from './options.ts';
import { print } from './output.ts';

interface Flags {
  readonly name: string;
  readonly follow: boolean;
  readonly tail: number;
  readonly ingress?: string;
  readonly output: string;
}

export function logsCommand(program: Command): void {
  program
    .command('logs')
    .description('requests that came through the Ingress proxy: client, Ingress, node, pod and times')
    .addArgument(new Argument('<what>').choices(['ingress']))
    .addOption(nameOption())
    .option('-f, --follow', 'go on as requests come', false)
    .option('--tail <lines>', 'so many of the last ones', parseCount(0, 100_000), 50)
    .option('--ingress <namespace/name>', 'only of this Ingress')
    .addOption(outputOption())
    .action(async (_what: string, flags: Flags) => {
      const config = runningConfig(flags.name);
      await interruptible(async (signal) => {
        for await (const entry of accessLog(config, { ...flags, signal })) {
          print(flags.output === 'json' ? JSON.stringify(entry) : formatAccessEntry(entry));
        }
      });
    });
}
