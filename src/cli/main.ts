import { Command } from 'commander';
import { knitVersion } from '../base/version.ts';
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
  fail(error, wantsJson(process.argv.slice(2)));
}

/** Whether knit itself was asked for JSON; what follows `--` belongs to another command. */
function wantsJson(words: readonly string[]): boolean {
  const own = words.includes('--') ? words.slice(0, words.indexOf('--')) : words;
  return /(^| )(-o ?|--output[= ])json( |$)/.test(own.join(' '));
}
