import type { Command } from 'commander';
import { familiesOf, type IPv6Addresses } from '../cluster/config.ts';
import { type ClusterStatus, clusterStatus, type HollowStatus, type NodeStatus } from '../cluster/status.ts';
import { clusterNames } from '../cluster/up.ts';
import { nameOption, outputOption } from './options.ts';
import { bold, dim, green, print, printJson, red, table } from './output.ts';

export function statusCommand(program: Command): void {
  program
    .command('status')
    .description('draw a cluster: what stands where, and how it is')
    .addOption(nameOption())
    .option('--pods', 'show every pod, not only how many', false)
    .addOption(outputOption())
    .action(async (flags: { name: string; pods: boolean; output: string }) => {
      const status = await clusterStatus(flags.name);
      if (flags.output === 'json') return printJson(status);
      print(draw(status, flags.pods));
      const others = clusterNames().filter((name) => name !== flags.name);
      if (others.length > 0) print(dim(`Other clusters here: ${others.join(', ')}`));
    });
}

/** The way from this machine to the pods, top to bottom. */
function draw(status: ClusterStatus, withPods: boolean): string {
  const { addresses, clients, spec, apiPort } = status.config;
  const state = status.trouble ? red(status.trouble) : green('running');
  const uplink = { user: 'user-mode NAT to this machine’s network', nat: 'NAT by this machine', none: 'no way out' }[
    spec.network.uplink
  ];
  const networks = (pick: (family: IPv6Addresses) => string) => familiesOf(status.config).map(pick).join(' ');
  const outside = clients.map((client) => `${client.name} ${client.address}`).join(', ');
  return [
    `${bold(status.config.name)} · ${state} · API server https://127.0.0.1:${apiPort} · context ${status.context}`,
    '',
    ` this machine    ${addresses.host.interface} ${addresses.host.host}`,
    '      │',
    ` ${bold('fabric')}          ${addresses.fabric}      routes, API server · ${uplink}`,
    ...(outside ? [`      ├── outside clients: ${outside}`] : []),
    '      │',
    ...drawNodes(status, withPods),
    '',
    ` Services ${networks(({ serviceCIDR }) => serviceCIDR)} on every node · DNS ${addresses.dns} (${status.dns.ready} of ${status.dns.all} ready) · pods ${networks(({ podCIDR }) => podCIDR)}`,
  ].join('\n');
}

function drawNodes({ nodes, hollow }: ClusterStatus, withPods: boolean): string[] {
  const rows = table(
    nodes.map((node) => [
      bold(node.name),
      node.address,
      `outside ${node.outsideAddress}`,
      `pods ${node.podCIDR || 'none yet'}`,
      stateOf(node),
      countOf(node),
    ]),
  );
  const real = rows.split('\n').flatMap((row, index) => {
    const last = index === nodes.length - 1 && hollow.nodes === 0;
    const pods = withPods ? drawPods(nodes[index]!) : [];
    return [`      ${last ? '└' : '├'}── ${row}`, ...pods.map((pod) => `      ${last ? ' ' : '│'}     ${pod}`)];
  });
  return hollow.nodes === 0 ? real : [...real, `      └╌╌ ${drawHollow(hollow)}`];
}

/** Not one by one, and told apart from what is there. */
function drawHollow({ nodes, ready, pods }: HollowStatus): string {
  const count = nodes === 1 ? '1 hollow node' : `${nodes} hollow nodes`;
  const state = ready === nodes ? green('ready') : red(`${ready} ready`);
  return `${count}  pretended: nothing runs there  ${state}  ${pods === 1 ? '1 pod' : `${pods} pods`}`;
}

function drawPods(node: NodeStatus): string[] {
  if (node.pods.length === 0) return [];
  return table(node.pods.map((pod) => [`${pod.namespace}/${pod.name}`, pod.address, pod.phase])).split('\n');
}

function stateOf(node: NodeStatus): string {
  if (!node.running) return red('stopped');
  return node.ready ? green('ready') : red(`not ready${node.reason ? `: ${node.reason}` : ''}`);
}

function countOf(node: NodeStatus): string {
  return node.pods.length === 1 ? '1 pod' : `${node.pods.length} pods`;
}
