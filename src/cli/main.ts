import { Command } from 'commander';
import { knitVersion } from '../cluster/version.ts';
import { commands } from './commands.ts';
import { fail } from './output.ts';

const program = new Command('knit')
  .description('A Kubernetes cluster you can see through, on one Linux machine.')
  .version(knitVersion, '-v, --version')
  .showSuggestionAfterError()
  .showHelpAfterError('(knit help COMMAND says more)')
  .configureHelp({ sortSubcommands: false })
  .enablePositionalOptions();

for (const command of commands) command(program);

try {
  await program.parseAsync();
} catch (error) {
  fail(error, process.argv.includes('json'));
}
