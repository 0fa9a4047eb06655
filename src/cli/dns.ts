import { type Command, Option } from 'commander';
import { dnsFlags, parseDnsOptions } from '../dns/options.ts';
import { kubeconfigDefault, reachApiServer } from './api-server.ts';

interface Flags {
  readonly kubeconfig?: string;
  readonly context?: string;
  readonly [flag: string]: string | undefined;
}

/** Cluster DNS by itself, for any cluster. */
export function dnsCommand(program: Command): void {
  const command = program
    .command('dns')
    .description('run cluster DNS by itself, for any Kubernetes cluster')
    .addOption(new Option('--kubeconfig <file>', kubeconfigDefault))
    .addOption(new Option('--context <name>', "default: the kubeconfig's current one"));
  for (const [flag, [about, standard]] of Object.entries(dnsFlags))
    command.addOption(new Option(`--${flag} <value>`, standard ? `${about} (default: ${standard})` : about));
  command.action(async (flags: Flags) => {
    const given = Object.keys(dnsFlags).flatMap((flag) => {
      const value = flags[camelCase(flag)];
      return value === undefined ? [] : [`--${flag}=${value}`];
    });
    const options = parseDnsOptions(given, process.env);
    const { runDns } = await import('../dns/run.ts');
    await runDns(options, await reachApiServer(flags.kubeconfig, flags.context));
  });
}

function camelCase(flag: string): string {
  return flag.replace(/-(.)/g, (_, letter: string) => letter.toUpperCase());
}
