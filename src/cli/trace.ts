import type { Command } from 'commander';
import { Option } from 'commander';
import { KnitError } from '../base/errors.ts';
import { runningConfig } from '../cluster/nodes.ts';
import { reachOf, readWorld } from '../cluster/tracing.ts';
import type { Protocol } from '../trace/model.ts';
import { drawTree } from '../trace/render/tree.ts';
import { trace } from '../trace/trace.ts';
import { nameOption, parseCount } from './options.ts';
import { bold, dim, green, print, red } from './output.ts';

interface Flags {
  readonly name: string;
  readonly port?: number;
  readonly protocol?: Protocol;
  readonly count: number;
}

export function traceCommand(program: Command): void {
  program
    .command('trace')
    .description('send a packet and show its way through the cluster, as the kernel saw it')
    .argument('<from>', 'pod/NAMESPACE/NAME, node/NAME or client/NAME')
    .argument('<to>', 'the same, service/NAMESPACE/NAME, localhost, an address, a name or a URL; :PORT may follow')
    .addOption(nameOption())
    .option('--port <port>', 'to which port', parseCount(0, 65_535))
    .addOption(
      new Option('--protocol <protocol>', 'default: what the Service says, else tcp').choices(['tcp', 'udp', 'icmp']),
    )
    .option('--count <count>', 'how many connections, one after another', parseCount(1, 100), 1)
    .action(async (from: string, to: string, { name, port, protocol, count }: Flags) => {
      if (process.getuid?.() !== 0) throw new KnitError('NOT_ROOT', 'captures need root', 'run it with sudo');
      const config = runningConfig(name);
      const world = await readWorld(config);
      const report = await trace(world, reachOf(config, world), { from, to, port, protocol }, { count });
      const ink = { bold, dim, good: green, bad: red };
      print(drawTree(report, { ink, width: process.stdout.columns }));
    });
}
