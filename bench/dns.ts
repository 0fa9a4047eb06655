import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { KnitError } from '../src/base/errors.ts';
import { run, tryRun } from '../src/kernel/run.ts';
import type { Measured } from './dns-inside.ts';
import { atMost, type Benchmark, type Figure } from './figures.ts';

const services = 10_000;
const perCore = 60_000;

export const dns: Benchmark = {
  name: 'dns',
  about: `cluster DNS with ${services} Services, asked by dnsperf over loopback in a network namespace of its own`,
  run: measureDns,
};

async function measureDns(): Promise<Figure[]> {
  const found = await tryRun('sh', ['-c', 'command -v dnsperf']);
  if (found.code !== 0)
    throw new KnitError('DNSPERF_MISSING', 'dnsperf is not installed', 'apt-get install dnsperf, or make bench');
  const scratch = mkdtempSync(join(tmpdir(), 'knit-bench-dns-'));
  try {
    // Namespaces of its own, so that the server finds its account where every pod has it, and port 53 is free.
    const inside = [process.execPath, join(import.meta.dirname, 'dns-inside.ts'), scratch, String(services)];
    const text = await run('unshare', ['--net', '--mount', '--propagation=private', ...inside], { timeoutMs: 300_000 });
    return figuresOf(JSON.parse(text.trim().split('\n').at(-1) ?? '') as Measured);
  } finally {
    rmSync(scratch, { recursive: true });
  }
}

function figuresOf(measured: Measured): Figure[] {
  const { server, echo, rate, idleMiB, loadedMiB, changes } = measured;
  const sorted = changes.toSorted((a, b) => a - b);
  const rank = (part: number) => sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * part))] ?? Number.NaN;
  return [
    {
      what: 'answers for names of Services, a second of one core',
      value: server.perCpuSecond,
      unit: '/s',
      against: 'a bare UDP echo in Node.js',
      ratio: server.perCpuSecond / echo.perCpuSecond,
      goal: `at least ${perCore} /s`,
      met: server.perCpuSecond >= perCore,
    },
    { what: '  the echo, a second of one core', value: echo.perCpuSecond, unit: '/s' },
    { what: '  by the clock, as busy as this machine is', value: server.perSecond, unit: '/s' },
    { what: '  the echo, by the clock', value: echo.perSecond, unit: '/s' },
    { what: '  questions lost', value: server.lost, unit: '' },
    {
      ...atMost(`99 of 100 answers at ${rate} /s`, server.p99Ms, 'ms', 3),
      against: 'the echo',
      ratio: server.p99Ms / echo.p99Ms,
    },
    atMost(`memory with ${services} Services, idle (proportional set size)`, idleMiB, 'MiB', 80),
    atMost('memory under load', loadedMiB, 'MiB', 80),
    { what: 'from a change of an EndpointSlice to its answer, median', value: rank(0.5), unit: 'ms' },
    atMost('  the slowest of 100', rank(1), 'ms', 100),
  ];
}
