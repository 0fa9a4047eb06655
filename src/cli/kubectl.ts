import type { Command } from 'commander';
import { KnitError } from '../base/errors.ts';
import { readConfig } from '../cluster/config.ts';
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
      process.exitCode = await replaceBy(kubectl, args, { ...process.env, KUBECONFIG: kubeconfigFile(config) });
    });
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
