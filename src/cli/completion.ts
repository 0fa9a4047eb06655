import { Argument, type Command } from 'commander';
import { print } from './output.ts';

export function completionCommand(program: Command): void {
  program
    .command('completion')
    .description('print a completion script: source <(knit completion bash)')
    .addArgument(new Argument('<shell>', 'which shell').choices(['bash', 'zsh', 'fish']))
    .action((shell: string) => print(shell === 'fish' ? fish(program) : bash(program, shell === 'zsh')));
}

/** Each command's words, with what may follow: `node` → list, add, …, --name. */
function wordsOf(command: Command): Map<string, string[]> {
  const all = new Map<string, string[]>();
  const visit = (each: Command, path: string) => {
    const options = each.options.filter((option) => !option.hidden).map((option) => option.long ?? option.short ?? '');
    all.set(path, [...each.commands.map((child) => child.name()), ...options]);
    for (const child of each.commands) visit(child, `${path} ${child.name()}`.trim());
  };
  visit(command, '');
  return all;
}

function bash(program: Command, zsh: boolean): string {
  const cases = [...wordsOf(program)].map(([path, words]) => `    "${path}") words="${words.join(' ')}" ;;`);
  const known = [...wordsOf(program).keys()].map((path) => `:${path}`).join('');
  // Only words that lead to a command count: `knit status --name demo` is still about status.
  return `${zsh ? 'autoload -U +X bashcompinit && bashcompinit\n' : ''}_knit() {
  local at="" word words="" known="${known}:"
  for word in "\${COMP_WORDS[@]:1:COMP_CWORD-1}"; do
    [[ $known == *":\${at:+$at }$word:"* ]] && at="\${at:+$at }$word"
  done
  case "$at" in
${cases.join('\n')}
  esac
  COMPREPLY=($(compgen -W "$words" -- "\${COMP_WORDS[COMP_CWORD]}"))
}
complete -o default -F _knit knit`;
}

function fish(program: Command): string {
  const lines = program.commands.map(
    (command) =>
      `complete -c knit -n __fish_use_subcommand -a ${command.name()} -d '${command.description().replaceAll("'", "\\'")}'`,
  );
  const nested = program.commands.flatMap((command) =>
    command.commands.map(
      (child) =>
        `complete -c knit -n '__fish_seen_subcommand_from ${command.name()}' -a ${child.name()} -d '${child.description().replaceAll("'", "\\'")}'`,
    ),
  );
  return ['complete -c knit -f', ...lines, ...nested].join('\n');
}
