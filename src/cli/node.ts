import { type Command, InvalidArgumentError } from 'commander';
import { nodes } from '../api/resource.ts';
import { readConfig } from '../cluster/config.ts';
import { addNode, deleteNode, startStoppedNode, stopNode } from '../cluster/nodes.ts';
import { adminClient, isReady } from '../cluster/ready.ts';
import { isRunning } from '../cluster/running.ts';
import { nameOption, outputOption } from './options.ts';
import { green, print, printJson, progressFor, red, table } from './output.ts';

interface Flags {
  readonly name: string;
  readonly output: string;
}

export function nodeCommand(program: Command): void {
  const node = program.command('node').description('list, add, stop, start and delete nodes');
  node
    .command('list')
    .description('the nodes: addresses, pod networks, whether they run and are ready')
    .addOption(nameOption())
    .addOption(outputOption())
    .action(list);
  node
    .command('add')
    .description('add a node to a running cluster')
    .argument('[node]', 'its name (default: the next number)')
    .option('--label <key=value>', 'a label; may be given again', collectLabel, {})
    .addOption(nameOption())
    .addOption(outputOption())
    .action(async (name: string | undefined, flags: Flags & { label: Record<string, string> }) => {
      const added = await progressFor(flags.output).step(`Adding ${name ?? 'a node'}`, () =>
        addNode(flags.name, { name, labels: flags.label }),
      );
      if (flags.output === 'json') printJson(added);
      else print(`${added.name} is ready at ${added.address}`);
    });
  simple(
    node,
    'stop',
    'end a node; its state stays. At once, as a power cut does, where no shutdownGracePeriod was chosen',
    'Stopping',
    stopNode,
  ).option('--now', 'a power cut, whatever was chosen');
  simple(node, 'start', 'start a stopped node', 'Starting', startStoppedNode);
  simple(node, 'delete', 'take a node out of the cluster and off this machine', 'Deleting', deleteNode);
}

function simple(
  parent: Command,
  verb: string,
  description: string,
  doing: string,
  work: (cluster: string, node: string, flags: { now?: boolean }) => Promise<void>,
): Command {
  return parent
    .command(verb)
    .description(description)
    .argument('<node>', 'its name')
    .addOption(nameOption())
    .addOption(outputOption())
    .action((name: string, flags: Flags & { now?: boolean }) =>
      progressFor(flags.output).step(`${doing} ${name}`, () => work(flags.name, name, flags)),
    );
}

async function list(flags: Flags): Promise<void> {
  const config = readConfig(flags.name);
  const { client, close } = adminClient(config);
  try {
    const { items } = await client.list(nodes);
    const rows = config.nodes.map((node) => {
      const object = items.find((item) => item.metadata?.name === node.name);
      return {
        ...node,
        podCIDR: object?.spec?.podCIDR ?? '',
        running: isRunning(config.name, node.name),
        ready: object ? isReady(object) : false,
      };
    });
    if (flags.output === 'json') return printJson(rows);
    const lines = rows.map((row) => [
      row.name,
      row.running ? green('running') : red('stopped'),
      row.ready ? green('ready') : red('not ready'),
      row.address,
      row.outsideAddress,
      row.podCIDR,
    ]);
    print(table([['NAME', 'PROCESSES', 'KUBERNETES', 'ADDRESS', 'OUTSIDE', 'PODS'], ...lines]));
  } finally {
    await close();
  }
}

function collectLabel(value: string, all: Record<string, string>): Record<string, string> {
  const [, key, text] = /^([^=]+)=(.*)$/.exec(value) ?? [];
  if (key === undefined || text === undefined) throw new InvalidArgumentError('Write key=value.');
  return { ...all, [key]: text };
}
