import { readFileSync } from 'node:fs';
import type { Command } from 'commander';
import { KnitError, messageOf } from '../base/errors.ts';
import { contextName, familiesOf } from '../cluster/config.ts';
import { type ClusterSpec, checkClusterSpec, defaultClusterSpec, parseClusterSpec } from '../cluster/spec.ts';
import { type UpResult, up } from '../cluster/up.ts';
import { parsePublication } from '../edge/publish.ts';
import type { ProxyMode } from '../proxy/index.ts';
import { interruptible } from './interrupt.ts';
import { nameOption, outputOption, parseCount, parseWait, proxyModeOption } from './options.ts';
import { bold, dim, print, printJson, progressFor } from './output.ts';

interface UpFlags {
  readonly name: string;
  readonly nodes?: number;
  readonly hollow?: number;
  readonly file?: string;
  readonly apiPort?: number;
  readonly ipFamily?: string;
  readonly uplink?: string;
  readonly podNetwork?: string;
  readonly proxyMode?: ProxyMode;
  readonly publish?: readonly string[];
  readonly gatewayApi?: boolean;
  /** ms */
  readonly wait?: number;
  readonly output: string;
  readonly kubeconfig: boolean;
}

export function upCommand(program: Command): void {
  program
    .command('up')
    .description('make a cluster and wait until it is ready')
    .addOption(nameOption())
    .option('--nodes <count>', 'how many nodes (default 3)', parseCount(1, 100))
    .option(
      '--hollow <count>',
      'nodes beside them that only seem to be, for controllers and for scale',
      parseCount(0, 10_000),
    )
    .option('-f, --file <cluster.yaml>', 'a cluster file; - reads standard input')
    .option('--api-port <port>', "the API server's port on this machine's loopback", parseCount(1, 65535))
    .option('--ip-family <families>', 'ipv4, ipv6, or dual for both')
    .option('--uplink <kind>', 'way out of the cluster: user, nat or none')
    .option('--pod-network <kind>', 'between nodes: routes of the fabric, or vxlan')
    .addOption(proxyModeOption('how Services stand in the kernel of each node: nftables or iptables'))
    .option(
      '--publish <port:target>',
      "a port of this machine's loopback that leads to ingress/NAME or service/NAMESPACE/NAME:PORT; may be given again",
      (text: string, all: readonly string[] = []) => [...all, text],
    )
    .option('--gateway-api', 'define the kinds of the Gateway API, which the class knit serves')
    .option('--wait <duration>', 'how long nodes and DNS may take to be ready (default 1m)', parseWait)
    .option('--no-kubeconfig', 'do not write a context into your kubeconfig')
    .addOption(outputOption())
    .action(async (given: UpFlags, command: Command) => {
      const flags = withNameOfFile(given, command.getOptionValueSource('name') === 'default');
      const { file, nodes, hollow, apiPort, ipFamily, uplink, podNetwork, proxyMode, publish, gatewayApi } = flags;
      const chosen = [file, nodes, hollow, apiPort, ipFamily, uplink, podNetwork, proxyMode, publish, gatewayApi].some(
        (value) => value !== undefined,
      );
      const result = await interruptible((signal) =>
        up({
          name: flags.name,
          spec: chosen ? specOf(flags) : undefined,
          progress: progressFor(flags.output),
          kubeconfig: flags.kubeconfig,
          timeoutMs: flags.wait,
          signal,
        }),
      );
      if (flags.output === 'json') printJson({ ...result.config, kubeconfig: result.kubeconfig });
      else print(summary(result));
    });
}

interface ChosenUp extends UpFlags {
  readonly fromFile?: ClusterSpec;
}

/** A cluster file may name its cluster; `--name` need not say it again. */
function withNameOfFile(flags: UpFlags, nameIsFree: boolean): ChosenUp {
  if (flags.file === undefined) return flags;
  const fromFile = parseClusterSpec(read(flags.file), flags.file === '-' ? 'standard input' : flags.file);
  return { ...flags, fromFile, name: nameIsFree ? (fromFile.name ?? flags.name) : flags.name };
}

/** The cluster file with the flags over it, checked together. */
function specOf(flags: ChosenUp): ClusterSpec {
  const base = flags.fromFile ?? defaultClusterSpec();
  if (base.name !== undefined && base.name !== flags.name) {
    throw new KnitError(
      'SPEC_INVALID',
      `${flags.file} is for the cluster ${base.name}`,
      `run: knit up --name ${base.name} -f ${flags.file}`,
    );
  }
  return checkClusterSpec(
    {
      ...base,
      nodes: flags.nodes ?? base.nodes,
      hollowNodes: flags.hollow ?? base.hollowNodes,
      api: { ...base.api, ...(flags.apiPort === undefined ? {} : { port: flags.apiPort }) },
      network: {
        ...base.network,
        ...(flags.ipFamily === undefined ? {} : { ipFamily: flags.ipFamily }),
        ...(flags.uplink === undefined ? {} : { uplink: flags.uplink }),
        ...(flags.podNetwork === undefined ? {} : { podNetwork: flags.podNetwork }),
      },
      publish: flags.publish ?? base.publish,
      gatewayAPI: flags.gatewayApi ?? base.gatewayAPI,
      proxy: { ...base.proxy, ...(flags.proxyMode === undefined ? {} : { mode: flags.proxyMode }) },
    },
    'the command line',
  );
}

function read(file: string): string {
  try {
    return readFileSync(file === '-' ? 0 : file, 'utf8');
  } catch (error) {
    throw new KnitError(
      'FILE_UNREADABLE',
      `${file} cannot be read: ${messageOf(error)}`,
      'give the path of a cluster file',
    );
  }
}

function hollowText(count: number): string {
  return count === 0 ? '' : `; ${count} hollow nodes, on which nothing runs, come up`;
}

/** This machine's own link has IPv4. */
function reached(config: UpResult['config']): string {
  const [{ loadBalancerCIDR } = config.addresses] = familiesOf(config);
  return loadBalancerCIDR.includes(':') ? loadBalancerCIDR : `${loadBalancerCIDR}, which this machine reaches too`;
}

function clientsText({ clients, spec }: UpResult['config']): string {
  const known = clients.map(({ name, address, ipv6 }) => {
    return `${name} ${spec.network.ipFamily === 'ipv6' ? ipv6 : address}`;
  });
  return known.join(', ') || 'no clients';
}

function summary({ config, kubeconfig, kept }: UpResult): string {
  const named = config.name === 'knit' ? '' : ` --name ${config.name}`;
  const { addresses } = config;
  const lines = [
    '',
    `${bold(`The cluster ${config.name} ${kept ? 'is back' : 'is up'}`)}: ${config.nodes.map((node) => node.name).join(', ')}${hollowText(config.spec.hollowNodes)}`,
    `  API server  https://127.0.0.1:${config.apiPort}`,
    ...familiesOf(config).map(
      ({ nodeCIDR, podCIDR, serviceCIDR }, index) =>
        `  ${index === 0 ? 'nodes' : '     '}       ${nodeCIDR}   pods ${podCIDR}   Services ${serviceCIDR}${index === 0 ? `   DNS ${addresses.dns}` : ''}`,
    ),
    `  outside     ${clientsText(config)}   load balancers ${reached(config)}`,
    ...config.spec.publish
      .map(parsePublication)
      .map(
        ({ port, kind, namespace, name }) => `              http://127.0.0.1:${port} → ${kind}/${namespace}/${name}`,
      ),
    ...(kubeconfig ? [`  context     ${contextName(config.name)} in ${kubeconfig}`] : []),
    '',
    `${dim('See it:')}   knit status${named}     ${dim('what stands where')}`,
    `          knit tour${named}       ${dim('what its network does: ten journeys of a packet')}`,
    `${dim('Use it:')}   knit kubectl${named} create deployment web --image=knit.dev/lab:1 --replicas=3 --port=8080`,
    `          knit kubectl${named} expose deployment web --port=80 --target-port=8080 --type=LoadBalancer`,
    `          knit kubectl${named} get service web   ${dim('shows its EXTERNAL-IP')}`,
    `          knit exec${named} client/${config.clients[0]?.name ?? 'alice'} -- curl -s http://EXTERNAL-IP/   ${dim('as somebody outside; or curl http://EXTERNAL-IP/ here')}`,
    `${dim('End it:')}   knit down${named}`,
  ];
  return lines.join('\n');
}
