import { existsSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { type Command, Option } from 'commander';
import { KnitError } from '../base/errors.ts';
import type { Transport } from '../client/client.ts';
import { inClusterTransport } from '../client/incluster.ts';
import { transportFromKubeconfig } from '../client/kubeconfig.ts';
import { dnsFlags, parseDnsOptions } from '../dns/options.ts';
import { runDns } from '../dns/run.ts';

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
    .addOption(new Option('--kubeconfig <file>', "default: $KUBECONFIG, a pod's own account, ~/.kube/config"))
    .addOption(new Option('--context <name>', "default: the kubeconfig's current one"));
  for (const [flag, [about, standard]] of Object.entries(dnsFlags))
    command.addOption(new Option(`--${flag} <value>`, standard ? `${about} (default: ${standard})` : about));
  command.action(async (flags: Flags) => {
    const given = Object.keys(dnsFlags).flatMap((flag) => {
      const value = flags[camelCase(flag)];
      return value === undefined ? [] : [`--${flag}=${value}`];
    });
    const options = parseDnsOptions(given, process.env);
    await runDns(options, await transportOf(flags));
  });
}

async function transportOf({ kubeconfig, context }: Flags): Promise<Transport> {
  const path = kubeconfig ?? process.env.KUBECONFIG;
  if (path) return await transportFromKubeconfig(path, context);
  if (process.env.KUBERNETES_SERVICE_HOST) return await inClusterTransport();
  const standard = join(homedir(), '.kube/config');
  if (existsSync(standard)) return await transportFromKubeconfig(standard, context);
  throw new KnitError('KUBECONFIG_MISSING', 'no cluster is named', 'say which with --kubeconfig FILE');
}

function camelCase(flag: string): string {
  return flag.replace(/-(.)/g, (_, letter: string) => letter.toUpperCase());
}
