import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { table } from '../src/cli/output.ts';
import { apiserver } from './apiserver.ts';
import { boot } from './boot.ts';
import { dns } from './dns.ts';
import { edge } from './edge.ts';
import { explaining } from './explain.ts';
import type { Benchmark, Figure } from './figures.ts';
import { ingress } from './ingress.ts';
import { onInterruption } from './interruption.ts';
import { pods } from './pods.ts';
import { scheduler } from './scheduler.ts';
import { services } from './services.ts';
import { soak } from './soak.ts';
import { trace } from './trace.ts';

/** Every benchmark, in the order in which `make bench` runs them. `make bench ONLY=boot` runs one. */
const benchmarks: readonly Benchmark[] = [
  boot,
  apiserver,
  pods,
  scheduler,
  services,
  soak,
  dns,
  edge,
  ingress,
  trace,
  explaining,
];

const only = process.argv[2];
const chosen = benchmarks.filter((each) => only === undefined || each.name === only);
if (chosen.length === 0) {
  process.stderr.write(`there is no benchmark ${only}; there is: ${benchmarks.map((each) => each.name).join(', ')}\n`);
  process.exit(1);
}

const results = join(import.meta.dirname, 'results');
mkdirSync(results, { recursive: true });
const interruption = onInterruption(chosen);
const exited = interruption.tidied.then((code) => process.exit(code));
try {
  for (const benchmark of chosen) await runAndReport(benchmark);
} catch (error) {
  if (!interruption.begun()) throw error;
}
if (interruption.begun()) await exited;

async function runAndReport({ name, about, run }: Benchmark): Promise<void> {
  process.stdout.write(`\n${name}: ${about}\n`);
  const figures = await run();
  writeFileSync(join(results, `${name}.json`), `${JSON.stringify({ name, figures }, undefined, 2)}\n`);
  process.stdout.write(`${table([['WHAT', 'VALUE', 'AGAINST', 'RATIO', 'GOAL', 'MET'], ...figures.map(row)])}\n`);
}

function row(figure: Figure): string[] {
  const { what, value, unit, against = '', ratio, goal = '', met } = figure;
  return [
    what,
    `${round(value)} ${unit}`,
    against,
    ratio === undefined ? '' : String(round(ratio)),
    goal,
    met === undefined ? '' : met ? 'yes' : 'no',
  ];
}

function round(value: number): number {
  return Number(value.toPrecision(3));
}
