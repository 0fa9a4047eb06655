import type { Command } from 'commander';
import { KnitError } from '../base/errors.ts';
import { type ClusterConfig, contextName, readConfig } from '../cluster/config.ts';
import { findCommand } from '../cluster/doctor.ts';
import { kubeconfigFile, kubeconfigOf } from '../cluster/kubeconfig.ts';
import { replaceBy } from './exec.ts';
import { nameOption } from './options.ts';
import { print } from './output.ts';

export function kubectlCommand(program: Command): void {
  program
    .command('kubectl')
    .description('run the installed kubectl on this cluster')
    .argument('[args...]', "kubectl's own arguments")
    .addOption(nameOption())
    .helpOption(false)
    .allowUnknownOption()
    .passThroughOptions()
    .action(async (args: string[], flags: { name: string }) => {
      const config = readConfig(flags.name);
      const kubectl = findCommand('kubectl');
      if (!kubectl) throw new KnitError('KUBECTL_MISSING', 'kubectl is not installed', howToGetKubectl);
      if (process.getuid?.() !== 0) process.exitCode = await replaceBy(kubectl, asUser(config, args));
      else process.exitCode = await replaceBy(kubectl, args, { ...process.env, KUBECONFIG: kubeconfigFile(config) });
    });
}

/** The cluster's keys are root's; who started it with sudo has them in a context of their own kubeconfig. */
function asUser(config: ClusterConfig, args: readonly string[]): string[] {
  return ['--context', contextName(config.name), ...args];
}

const howToGetKubectl =
  'kubernetes.io/docs/tasks/tools has it for every system; any other client works too: knit kubeconfig > config';

export function kubeconfigCommand(program: Command): void {
  program
    .command('kubeconfig')
    .description('print a kubeconfig of this cluster')
    .addOption(nameOption())
    .action((flags: { name: string }) => print(kubeconfigOf(readConfig(flags.name)).trimEnd()));
}
