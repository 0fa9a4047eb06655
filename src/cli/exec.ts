import { spawn } from 'node:child_process';
import { constants } from 'node:os';
import type { Command } from 'commander';
import { KnitError } from '../base/errors.ts';
import { enterTarget } from '../cluster/enter.ts';
import { runningConfig } from '../cluster/running.ts';
import { nameOption } from './options.ts';

export function execCommand(program: Command): void {
  program
    .command('exec')
    .description("run a command of this machine in a node's, a pod's or an outside client's network")
    .argument('<target>', 'node/NAME, client/NAME, pod/NAME or pod/NAMESPACE/NAME')
    .argument('<command...>', 'after --')
    .addOption(nameOption())
    .passThroughOptions()
    .action(async (target: string, command: string[], flags: { name: string }) => {
      if (process.getuid?.() !== 0)
        throw new KnitError('NOT_ROOT', 'entering a network namespace needs root', 'run it with sudo');
      const words = command[0] === '--' ? command.slice(1) : command;
      const [first = '', ...rest] = [...(await enterTarget(runningConfig(flags.name), target)), ...words];
      process.exitCode = await replaceBy(first, rest);
    });
}

/** Runs a command on this terminal and returns its exit code. */
export async function replaceBy(command: string, args: readonly string[], env = process.env): Promise<number> {
  return await new Promise((resolve, reject) => {
    const child = spawn(command, args, { stdio: 'inherit', env });
    // Interrupts go to the child, which is in the same terminal; this process waits for its answer.
    process.on('SIGINT', () => undefined);
    for (const signal of ['SIGTERM', 'SIGHUP'] as const) process.on(signal, () => child.kill(signal));
    child.on('error', reject);
    child.on('close', (code, signal) => resolve(code ?? (signal ? 128 + constants.signals[signal] : 1)));
  });
}
