import { readFileSync } from 'node:fs';
import { constants } from 'node:os';
import { join } from 'node:path';
import { waitFor } from '../src/base/wait.ts';
import { run } from '../src/kernel/run.ts';
import type { Benchmark } from './figures.ts';

const knit = join(import.meta.dirname, '../bin/knit');

/** What happens when somebody ends the benchmarks: Ctrl-C, `kill`, a closed terminal. */
export interface Interruption {
  /** Whether a signal came. What runs meanwhile fails, since its commands were ended. */
  begun(): boolean;
  /** Resolves when nothing is left of what the benchmarks made, to the code to exit with, as a shell tells it. */
  readonly tidied: Promise<number>;
}

/** From here on a signal ends the commands that run, and takes the clusters of these benchmarks down: `bench-NAME`. */
export function onInterruption(benchmarks: readonly Benchmark[]): Interruption {
  const clusters = benchmarks.map(({ name }) => `bench-${name}`);
  let begun = false;
  const tidied = new Promise<number>((resolve, reject) => {
    const end = (signal: NodeJS.Signals) => {
      if (begun) return;
      begun = true;
      tidy(clusters).then(() => resolve(128 + constants.signals[signal]), reject);
    };
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, end);
  });
  return { begun: () => begun, tidied };
}

async function tidy(clusters: readonly string[]): Promise<void> {
  for (const pid of children()) endProcess(pid);
  // Commands undo what they made, and a benchmark whose command was ended takes its cluster down itself.
  await waitFor(() => children().length === 0, { what: 'commands to end', timeoutMs: 60_000, intervalMs: 20 });
  await Promise.all(clusters.map((name) => run(knit, ['down', '--name', name], { timeoutMs: 60_000 })));
}

/** proc(5): `children` of the main thread, which starts all commands. */
function children(): number[] {
  return readFileSync(`/proc/self/task/${process.pid}/children`, 'utf8').split(' ').filter(Boolean).map(Number);
}

function endProcess(pid: number): void {
  try {
    process.kill(pid, 'SIGTERM');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error; // it has ended
  }
}
