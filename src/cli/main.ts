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

try {
  for (const load of wanted(process.argv[2])) (await load())(program);
  await program.parseAsync();
} catch (error) {
  fail(error, wantsJson(process.argv.slice(2)));
}

/** The command that is asked for; all of them where help is, or what is no command. */
function wanted(name = '') {
  const needsAll = name === 'completion' || !Object.hasOwn(commands, name);
  return needsAll ? Object.values(commands) : [commands[name]!];
}

/** Whether knit itself was asked for JSON; what follows `--` belongs to another command. */
function wantsJson(words: readonly string[]): boolean {
  const own = words.includes('--') ? words.slice(0, words.indexOf('--')) : words;
  return /(^| )(-o ?|--output[= ])json( |$)/.test(own.join(' '));
}
