import { readFileSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { processesIn } from '../kernel/cgroup.ts';
import type { CriClient } from './cri/client.ts';
import type { ContainerStats } from './cri/messages.ts';
import { label } from './labels.ts';

/** Use of cpu and memory, of a container, a pod or the node. */
export interface Usage {
  /** Seconds of one core, since it began. */
  readonly cpuSeconds: number;
  /** Cores, over the time since the look before. */
  readonly cores: number;
  /** Bytes that cannot be taken away from it. */
  readonly workingSetBytes: number;
}

export interface ContainerUsage extends Usage {
  readonly namespace: string;
  readonly pod: string;
  readonly podUid: string;
  readonly container: string;
  /** Of its writable layer. */
  readonly writtenBytes: number;
}

export interface NodeUsage {
  /** ms since the epoch. */
  readonly at: number;
  /** Length of the time over which `cores` are an average, in ms. */
  readonly windowMs: number;
  readonly node: Usage;
  readonly containers: readonly ContainerUsage[];
}

/** The shortest time over which use of cpu is told, in ms. */
const leastWindowMs = 1_000;
/** A look that is older says nothing of now. */
const staleMs = 90_000;
/** Clock ticks in a second, of `/proc/PID/stat` (`getconf CLK_TCK`; 100 on all of Linux' architectures that we run on). */
const ticks = 100;

/** Bytes of a page, as getauxval(3) tells them: 4096, but 16384 or 65536 where a kernel for arm64 was built so. */
export function pageSize(auxv = readFileSync('/proc/self/auxv')): number {
  const pageSizeKey = 6n; // AT_PAGESZ
  for (let at = 0; at + 16 <= auxv.length; at += 16) {
    if (auxv.readBigUInt64LE(at) === pageSizeKey) return Number(auxv.readBigUInt64LE(at + 8));
  }
  return 4096;
}
const pageBytes = pageSize();

interface Look {
  readonly at: number;
  /** By the monotonic clock. */
  readonly tick: number;
  readonly containers: readonly ContainerStats[];
  readonly systemSeconds: number;
  readonly systemBytes: number;
}

/**
 * Measures what the node's containers, and the node's own processes in the cgroup `systemCgroup`, use. Nothing is
 * measured until somebody asks; the first who asks waits for the second look that a rate needs.
 */
export function createStats(cri: CriClient, systemCgroup: string | undefined): { usage(): Promise<NodeUsage> } {
  let last: Look | undefined;
  let running: Promise<NodeUsage> | undefined;

  const measure = async (): Promise<NodeUsage> => {
    const before = last && performance.now() - last.tick < staleMs ? last : await look(cri, systemCgroup);
    await delay(Math.max(0, before.tick + leastWindowMs - performance.now()));
    last = await look(cri, systemCgroup);
    return compare(before, last);
  };
  return {
    usage() {
      running ??= measure().finally(() => {
        running = undefined;
      });
      return running;
    },
  };
}

async function look(cri: CriClient, systemCgroup: string | undefined): Promise<Look> {
  const containers = await cri.listContainerStats();
  const own = systemCgroup === undefined ? [] : processesIn(systemCgroup).map(processUsage);
  return {
    at: Date.now(),
    tick: performance.now(),
    containers,
    systemSeconds: own.reduce((sum, { seconds }) => sum + seconds, 0),
    systemBytes: own.reduce((sum, { bytes }) => sum + bytes, 0),
  };
}

/** proc(5): fields 14 and 15 of stat are user and system time, 24 is the resident set in pages. */
function processUsage(pid: number): { seconds: number; bytes: number } {
  try {
    const fields = readFileSync(`/proc/${pid}/stat`, 'utf8')
      .replace(/^.*\) /, '')
      .split(' ');
    const [user = 0, system = 0, pages = 0] = [fields[11], fields[12], fields[21]].map(Number);
    return { seconds: (user + system) / ticks, bytes: pages * pageBytes };
  } catch {
    return { seconds: 0, bytes: 0 }; // it has ended
  }
}

function compare(before: Look, now: Look): NodeUsage {
  const windowMs = now.tick - before.tick;
  const containers = now.containers.map((stats) => {
    const earlier = before.containers.find((other) => other.attributes?.id === stats.attributes?.id);
    return containerUsage(stats, earlier, windowMs);
  });
  const sum = (pick: (usage: Usage) => number) => containers.reduce((total, usage) => total + pick(usage), 0);
  const systemCores = Math.max(0, now.systemSeconds - before.systemSeconds) / (windowMs / 1000);
  return {
    at: now.at,
    windowMs,
    containers,
    node: {
      cpuSeconds: now.systemSeconds + sum(({ cpuSeconds }) => cpuSeconds),
      cores: systemCores + sum(({ cores }) => cores),
      workingSetBytes: now.systemBytes + sum(({ workingSetBytes }) => workingSetBytes),
    },
  };
}

function containerUsage(stats: ContainerStats, before: ContainerStats | undefined, windowMs: number): ContainerUsage {
  const labels = stats.attributes?.labels ?? {};
  const nanoseconds = stats.cpu?.usageCoreNanoSeconds?.value ?? 0;
  // The runtime measures at moments of its own.
  const elapsed = (stats.cpu?.timestamp ?? 0) - (before?.cpu?.timestamp ?? 0);
  const used = nanoseconds - (before?.cpu?.usageCoreNanoSeconds?.value ?? 0);
  const elapsedOrWindow = before && elapsed > 0 ? elapsed : windowMs * 1e6;
  return {
    namespace: labels[label.podNamespace] ?? '',
    pod: labels[label.podName] ?? '',
    podUid: labels[label.podUid] ?? '',
    container: labels[label.containerName] ?? '',
    cpuSeconds: nanoseconds / 1e9,
    cores: Math.max(0, used) / elapsedOrWindow,
    workingSetBytes: stats.memory?.workingSetBytes?.value ?? 0,
    writtenBytes: stats.writableLayer?.usedBytes?.value ?? 0,
  };
}
