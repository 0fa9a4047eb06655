import type { Command } from 'commander';
import { knitVersion } from '../base/version.ts';
import { kubernetesVersion } from '../cluster/version.ts';
import { outputOption } from './options.ts';
import { print, printJson } from './output.ts';

export function versionCommand(program: Command): void {
  program
    .command('version')
    .description('print the versions of knit, of its Kubernetes API and of Node.js')
    .addOption(outputOption())
    .action((flags: { output: string }) => {
      const versions = { knit: knitVersion, kubernetes: kubernetesVersion, node: process.version };
      if (flags.output === 'json') return printJson(versions);
      print(`knit ${versions.knit} · Kubernetes API ${versions.kubernetes} · Node.js ${versions.node}`);
    });
}
