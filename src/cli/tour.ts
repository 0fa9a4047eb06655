import { createInterface } from 'node:readline/promises';
import type { Command } from 'commander';
import { KnitError } from '../base/errors.ts';
import { openCluster } from '../cluster/create.ts';
import { runningConfig } from '../cluster/running.ts';
import { journeys } from '../tour/journeys.ts';
import { intentTitle, type Part, runTour } from '../tour/tour.ts';
import { toJson } from '../trace/render/json.ts';
import { drawTree } from '../trace/render/tree.ts';
import { nameOption, outputOption, parseCount } from './options.ts';
import { bold, dim, green, print, printJson, red } from './output.ts';

interface Flags {
  readonly name: string;
  readonly step: boolean;
  readonly list: boolean;
  readonly output: string;
}

export function tourCommand(program: Command): void {
  program
    .command('tour')
    .description('show what the network of this cluster does: ten journeys of a packet, sent and traced')
    .argument('[numbers...]', 'only these journeys; 0 is intent and reality')
    .addOption(nameOption())
    .option('--step', 'wait for Enter between two', false)
    .option('--list', 'say what there is to see', false)
    .addOption(outputOption())
    .action(async (given: string[], flags: Flags) => {
      if (flags.list) return print(list());
      if (process.getuid?.() !== 0) throw new KnitError('NOT_ROOT', 'captures need root', 'run it with sudo');
      const numbers = given.length > 0 ? given.map(parseCount(0, journeys.length)) : undefined;
      const cluster = openCluster(runningConfig(flags.name));
      const parts: Part[] = [];
      const shown = async (part: Part) => {
        parts.push(part);
        if (flags.output === 'json') return;
        print(draw(part));
        if (flags.step) await untilEnter();
      };
      try {
        await runTour(cluster, { numbers, shown });
      } finally {
        await cluster.close();
      }
      if (flags.output === 'json') printJson(parts.map(partJson));
      if (parts.some(({ ok }) => !ok)) process.exitCode = 2;
    });
}

function list(): string {
  const titles = [{ number: 0, title: intentTitle }, ...journeys];
  return titles.map(({ number, title }) => `${String(number).padStart(2)}  ${title}`).join('\n');
}

async function untilEnter(): Promise<void> {
  const lines = createInterface({ input: process.stdin, output: process.stderr });
  await lines.question(dim('Enter goes on '));
  lines.close();
}

function draw(part: Part): string {
  const head = `\n${part.ok ? green('✓') : red('✗')} ${bold(`${part.journey}  ${part.title}`)}`;
  if (!('report' in part)) return [head, ...part.changes.flatMap(drawChange)].join('\n');
  const ink = { bold, dim, good: green, bad: red };
  const tree = drawTree(part.report, { ink, width: process.stdout.columns });
  return [
    head,
    dim(`   knit trace ${part.from} ${part.to}`),
    '',
    tree,
    '',
    ...part.see.map((line) => `   ${line}`),
  ].join('\n');
}

function drawChange({ title, steps }: { title: string; steps: readonly { what: string; ms: number }[] }): string[] {
  return ['', `   ${bold(title)}`, ...steps.map(({ what, ms }) => `   ${`${Math.round(ms)} ms`.padStart(8)}  ${what}`)];
}

function partJson(part: Part): object {
  if (!('report' in part)) return part;
  const { report, ...rest } = part;
  const [story] = report.stories;
  return { ...rest, hops: story?.request.map(({ place }) => place) ?? [], ...toJson(report) };
}
