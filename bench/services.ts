import { join } from 'node:path';
import { run } from '../src/kernel/run.ts';
import { atMost, type Benchmark, type Figure, median } from './figures.ts';
import type { Measurements } from './services/measure.ts';
import { measureThroughput } from './services/throughput.ts';

export const services: Benchmark = {
  name: 'services',
  about: 'Services in the kernel: first load, changes, a storm of them, new connections, throughput',
  run: measureServices,
};

const LOAD_ROUNDS = 3;
const CHANGES = 300;
const STORM_SECONDS = 60;
const CONNECTIONS = 2_000;

type Results = { [Name in keyof Measurements]: Awaited<ReturnType<Measurements[Name]>> };

/** In a network namespace of its own, which goes with the process. */
async function measure<Name extends keyof Measurements>(
  name: Name,
  ...args: Parameters<Measurements[Name]>
): Promise<Results[Name]> {
  const script = join(import.meta.dirname, 'services/measure.ts');
  const command = ['--net', process.execPath, script, name, JSON.stringify(args)];
  return JSON.parse(await run('unshare', command, { timeoutMs: 600_000 }));
}

async function measureServices(): Promise<Figure[]> {
  return [
    ...(await loads()),
    ...(await changes()),
    ...(await connections()),
    ...(await storm()),
    ...(await measureThroughput()),
  ];
}

interface Load extends Required<Results['load']> {
  /** Of the load to the file's: rounds are compared each in itself, since a machine may be faster in one than in another. */
  readonly ratio: number;
}

/** Of some rounds the best of each part: what else the machine does only ever makes them longer. */
async function bestLoad(services: number, endpoints: number): Promise<Load> {
  const rounds: Results['load'][] = [];
  for (let round = 0; round < LOAD_ROUNDS; round++) rounds.push(await measure('load', { services, endpoints }, true));
  const best = (part: keyof Results['load']) => Math.min(...rounds.map((round) => round[part] ?? Number.NaN));
  const ratio = median(rounds.map(({ loadMs, fileMs }) => loadMs / (fileMs ?? Number.NaN)));
  const [startMs, loadMs] = [best('startMs'), best('loadMs')];
  return { startMs, loadMs, memoryMiB: best('memoryMiB'), fileMs: best('fileMs'), ratio };
}

async function loads(): Promise<Figure[]> {
  const size = { services: 10_000, endpoints: 5 };
  const many = await bestLoad(size.services, size.endpoints);
  const { ms: chainsMs } = await measure('chains', size);
  const [single, wide, hundredThousand] = [
    await bestLoad(45_000, 1),
    await bestLoad(5_000, 50),
    await measure('load', { services: 100_000, endpoints: 1 }, false),
  ];
  return [
    atMost('10,000 Services of 5 endpoints: start of the process to the kernel', many.startMs, 'ms', 2000),
    comparedWithFile('  of which: into the kernel', many),
    {
      what: '  the same Services as a chain each',
      value: chainsMs,
      unit: 'ms',
      against: 'ours',
      ratio: chainsMs / many.loadMs,
      goal: 'at least 20 times ours',
      met: chainsMs / many.loadMs >= 20,
    },
    { what: '  memory of the proxy', value: many.memoryMiB, unit: 'MiB' },
    atMost('45,000 Services of 1 endpoint: start of the process to the kernel', single.startMs, 'ms', 3000),
    comparedWithFile('  of which: into the kernel', single),
    atMost('5,000 Services of 50 endpoints: start of the process to the kernel', wide.startMs, 'ms', 8000),
    comparedWithFile('  of which: into the kernel', wide),
    { what: '100,000 Services of 1 endpoint: start to the kernel', value: hundredThousand.startMs, unit: 'ms' },
  ];
}

function comparedWithFile(what: string, { loadMs, fileMs, ratio }: Load): Figure {
  const against = `nft -f of the same tables, ${Math.round(fileMs)} ms`;
  return { what, value: loadMs, unit: 'ms', against, ratio, goal: 'at most 1.3 times', met: ratio <= 1.3 };
}

async function changes(): Promise<Figure[]> {
  const few = await measure('change', { services: 100, endpoints: 5 }, CHANGES);
  const many = await measure('change', { services: 10_000, endpoints: 5 }, CHANGES);
  const ratio = many.cpuMs / few.cpuMs;
  return [
    atMost('one endpoint changes, at 10,000 Services: event to commit, median', many.medianMs, 'ms', 5),
    { what: '  the same at 100 Services', value: few.medianMs, unit: 'ms' },
    {
      what: '  CPU of a change at 10,000 Services',
      value: many.cpuMs,
      unit: 'ms',
      against: `100 Services, ${few.cpuMs.toPrecision(3)} ms`,
      ratio,
      goal: 'the same, at most 1.5 times',
      met: ratio <= 1.5,
    },
  ];
}

async function connections(): Promise<Figure[]> {
  const of = async (mode: 'nftables' | 'iptables') => {
    const few = await measure('connect', mode, { services: 10, endpoints: 1 }, CONNECTIONS);
    const many = await measure('connect', mode, { services: 10_000, endpoints: 1 }, CONNECTIONS);
    const what = `a new connection at 10,000 Services, ${mode}: what the virtual address adds`;
    const against = `10 Services, ${few.addedMicros.toPrecision(3)} µs`;
    return { what, value: many.addedMicros, unit: 'µs', against, ratio: many.addedMicros / few.addedMicros };
  };
  const maps = await of('nftables');
  return [{ ...maps, goal: 'the same, at most 1.3 times', met: maps.ratio <= 1.3 }, await of('iptables')];
}

async function storm(): Promise<Figure[]> {
  const { perSecond, wrong, memoryRatio, memoryMiB } = await measure('storm', STORM_SECONDS);
  return [
    { what: `endpoint changes a second, for ${STORM_SECONDS} s`, value: perSecond, unit: '/s' },
    atMost('  virtual addresses that are not as planned afterwards', wrong, '', 0),
    {
      what: '  memory at the end',
      value: memoryMiB,
      unit: 'MiB',
      against: 'after ten seconds',
      ratio: memoryRatio,
      goal: 'flat, at most 1.2 times',
      met: memoryRatio <= 1.2,
    },
  ];
}
