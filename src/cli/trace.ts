import { type Command, Option } from 'commander';
import type { IPFamily } from '../base/cidr.ts';
import { KnitError } from '../base/errors.ts';
import { runningConfig } from '../cluster/running.ts';
import type { Protocol } from '../trace/model.ts';
import { nameOption, parseCount } from './options.ts';
import { bold, dim, green, print, printJson, red, table } from './output.ts';

const forms = ['tree', 'table', 'json', 'pcapng', 'mermaid'] as const;
type Form = (typeof forms)[number];

interface Flags {
  readonly name: string;
  readonly port?: number;
  readonly protocol?: Protocol;
  readonly ipFamily?: IPFamily;
  readonly count: number;
  readonly follow: boolean;
  readonly timeout?: number;
  readonly output: Form;
}

/** Exit code of a trace in which kernel and plans differ. */
const DIFFERS = 2;

export function traceCommand(program: Command): void {
  program
    .command('trace')
    .description('send a packet and show its way through the cluster, as the kernel saw it')
    .argument('<from>', 'pod/NAMESPACE/NAME, node/NAME or client/NAME')
    .argument('<to>', 'the same, service/NAMESPACE/NAME, localhost, an address, a name or a URL; :PORT may follow')
    .addOption(nameOption())
    .option('--port <port>', 'to which port', parseCount(0, 65_535))
    .addOption(new Option('--protocol <protocol>', 'default: as the Service says, else tcp').choices(protocols))
    .addOption(new Option('--ip-family <family>', 'by which of the addresses of TO').choices(['ipv4', 'ipv6']))
    .option('--count <count>', 'how many connections, one after another', parseCount(1, 100), 1)
    .option('--follow', 'send nothing: show what FROM sends by itself, also in connections that stand', false)
    .option('--timeout <seconds>', 'wait so long for an answer (2), or for a packet to follow (60)', parseCount(1, 600))
    .addOption(
      new Option('-o, --output <form>', 'how to print; pcapng is for Wireshark').choices(forms).default('tree'),
    )
    .action(act);
}

const protocols: readonly Protocol[] = ['tcp', 'udp', 'icmp'];

async function act(from: string, to: string, flags: Flags): Promise<void> {
  const { name, port, protocol, ipFamily: family, count, timeout, output } = flags;
  if (process.getuid?.() !== 0) throw new KnitError('NOT_ROOT', 'captures need root', 'run it with sudo');
  if (output === 'pcapng' && process.stdout.isTTY) {
    throw new KnitError('NOT_TEXT', 'a capture is not for a terminal', 'send it to a file: … -o pcapng > trace.pcapng');
  }
  const config = runningConfig(name);
  // Other commands need not pay for it when they start.
  const [{ reachOf, readWorld }, tracing] = await Promise.all([
    import('../cluster/tracing.ts'),
    import('../trace/index.ts'),
  ]);
  const world = await readWorld(config);
  const options = { count, ...(timeout === undefined ? {} : { timeoutMs: timeout * 1000 }) };
  const tell = flags.follow ? tracing.follow : tracing.trace;
  const report = await tell(world, reachOf(config, world), { from, to, port, protocol, family }, options);
  if (output === 'json') printJson(tracing.toJson(report));
  else if (output === 'mermaid') print(tracing.drawMermaid(report));
  else if (output === 'pcapng') process.stdout.write(tracing.toPcapng(report));
  else if (output === 'table') print([table(tracing.tableRows(report)), ...tracing.tableFooter(report)].join('\n'));
  else print(tracing.drawTree(report, { ink: { bold, dim, good: green, bad: red }, width: process.stdout.columns }));
  if (report.stories.some(({ differences }) => differences.length > 0)) process.exitCode = DIFFERS;
}
