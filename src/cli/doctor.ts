import type { Command } from 'commander';
import { examine } from '../cluster/doctor.ts';
import type { ProxyMode } from '../proxy/index.ts';
import { outputOption, proxyModeOption } from './options.ts';
import { dim, green, print, printJson, red, table, yellow } from './output.ts';

const mark = { ok: green('✓'), poor: yellow('!'), broken: red('✗') };

export function doctorCommand(program: Command): void {
  program
    .command('doctor')
    .description('look whether this machine has what a cluster needs; changes nothing')
    .addOption(proxyModeOption('also look for what this mode of the Service proxy needs'))
    .addOption(outputOption())
    .action(async (flags: { output: string; proxyMode?: ProxyMode }) => {
      const checks = await examine({ proxyMode: flags.proxyMode });
      const broken = checks.filter((check) => check.state === 'broken');
      if (broken.length > 0) process.exitCode = 1;
      if (flags.output === 'json') return printJson(checks);
      print(
        table(
          checks.map((check) => [mark[check.state], check.name, check.found, check.mend ? dim(`→ ${check.mend}`) : '']),
        ),
      );
      print(
        broken.length === 0 ? 'A cluster can start here.' : `${broken.length} to mend before a cluster can start here.`,
      );
    });
}
