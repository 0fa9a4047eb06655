import { readFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { type Command, Option } from 'commander';
import { KnitError, messageOf } from '../base/errors.ts';
import { createLog } from '../base/log.ts';
import { createClient } from '../client/requests.ts';
import type { ProxyMode } from '../proxy/index.ts';
import { kubeconfigDefault, reachApiServer } from './api-server.ts';
import { proxyModeOption } from './options.ts';

interface Flags {
  readonly kubeconfig?: string;
  readonly nodeName?: string;
  readonly config?: string;
  readonly proxyMode?: ProxyMode;
  readonly clusterCidr?: string;
  readonly hostPorts: boolean;
  readonly healthzBindAddress?: string;
  readonly metricsBindAddress?: string;
  readonly cleanup: boolean;
}

export function proxyCommand(program: Command): void {
  program
    .command('proxy')
    .description("the service proxy of this node, for any cluster, in kube-proxy's place")
    .option('--kubeconfig <file>', kubeconfigDefault)
    .option('--node-name <node>', "this node's name (default: the machine's)")
    .option('--config <file>', 'a KubeProxyConfiguration; flags win over it')
    .addOption(proxyModeOption('nftables (default) or iptables'))
    .option('--cluster-cidr <cidrs>', 'networks of all pods, apart by a comma')
    .option('--host-ports', "serve host ports of this node's pods too; needs the right to read pods", false)
    .addOption(new Option('--healthz-bind-address <address>', 'default 0.0.0.0:10256'))
    .addOption(new Option('--metrics-bind-address <address>', 'default 127.0.0.1:10249'))
    .option('--cleanup', 'take all rules of the proxy away and end', false)
    .action(async (flags: Flags) => {
      if (process.getuid?.() !== 0) throw new KnitError('NOT_ROOT', 'writing rules needs root', 'run it with sudo');
      await (flags.cleanup ? cleanup() : serve(flags));
    });
}

/** Runs until somebody ends it. */
async function serve(flags: Flags): Promise<void> {
  const { parseProxyConfiguration, listenAddress, startStandaloneProxy } = await import('../proxy/standalone/index.ts');
  const log = createLog('proxy');
  const file = flags.config === undefined ? undefined : parseProxyConfiguration(read(flags.config), flags.config);
  if (file && file.unused.length > 0)
    log.info('fields of the configuration that mean nothing here', { fields: file.unused });
  const ended = new Promise<void>((resolve) => {
    for (const signal of ['SIGTERM', 'SIGINT'] as const) process.once(signal, () => resolve());
  });
  const transport = await reachApiServer(flags.kubeconfig ?? file?.kubeconfig);
  try {
    const proxy = await startStandaloneProxy({
      client: createClient(transport, { userAgent: 'kube-proxy' }),
      log,
      nodeName: flags.nodeName ?? file?.nodeName ?? hostname().toLowerCase(),
      mode: flags.proxyMode ?? file?.mode ?? 'nftables',
      clusterCIDRs: flags.clusterCidr?.split(',') ?? file?.clusterCIDRs ?? [],
      nodePortAddresses: file?.nodePortAddresses ?? [],
      hostPorts: flags.hostPorts,
      healthz: listenAddress(flags.healthzBindAddress, '--healthz-bind-address') ?? file?.healthz ?? { port: 10256 },
      metrics: listenAddress(flags.metricsBindAddress, '--metrics-bind-address') ??
        file?.metrics ?? { host: '127.0.0.1', port: 10249 },
    });
    await ended;
    await proxy.stop();
  } finally {
    await transport.close();
  }
}

async function cleanup(): Promise<void> {
  const { removeAllModes } = await import('../proxy/index.ts');
  await removeAllModes(createLog('proxy'));
}

function read(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    throw new KnitError('FILE_UNREADABLE', `${file} cannot be read: ${messageOf(error)}`, 'give the path of a file');
  }
}
