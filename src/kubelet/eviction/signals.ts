import { readFile, statfs } from 'node:fs/promises';
import type { Observation, Observations } from './pressure.ts';
import type { Signal } from './thresholds.ts';

/** Where the node's resources are looked at. */
export interface Sources {
  /** On the disk of volumes and logs. */
  readonly nodeFolder: string;
  /** On the disk of images and of containers' own files. */
  readonly imageFolder: string;
  /** Bytes that all pods of the node may use together. */
  readonly podsMemoryBytes: number;
  /** Bytes that the node's containers use and that cannot be taken from them. */
  podsWorkingSet(): Promise<number>;
}

/** Looks at what is asked for, and at nothing else. */
export async function observe(signals: ReadonlySet<Signal>, sources: Sources): Promise<Observations> {
  const looks = [...signals].map(async (signal) => [signal, await look(signal, sources)] as const);
  return new Map(await Promise.all(looks));
}

function look(signal: Signal, sources: Sources): Promise<Observation> {
  switch (signal) {
    case 'memory.available':
      return memory();
    case 'allocatableMemory.available':
      return podsMemory(sources);
    case 'nodefs.available':
      return space(sources.nodeFolder);
    case 'nodefs.inodesFree':
      return inodes(sources.nodeFolder);
    case 'imagefs.available':
      return space(sources.imageFolder);
    case 'imagefs.inodesFree':
      return inodes(sources.imageFolder);
    case 'pid.available':
      return processes();
  }
}

/** Of the machine, which its nodes share. */
async function memory(): Promise<Observation> {
  const text = await readFile('/proc/meminfo', 'utf8');
  const kilobytes = (name: string) => Number(new RegExp(`^${name}: +(\\d+) kB$`, 'm').exec(text)?.[1] ?? 0);
  return { available: kilobytes('MemAvailable') * 1024, capacity: kilobytes('MemTotal') * 1024 };
}

async function podsMemory({ podsMemoryBytes, podsWorkingSet }: Sources): Promise<Observation> {
  return { available: podsMemoryBytes - (await podsWorkingSet()), capacity: podsMemoryBytes };
}

async function space(folder: string): Promise<Observation> {
  const { bavail, blocks, bsize } = await statfs(folder);
  return { available: bavail * bsize, capacity: blocks * bsize };
}

async function inodes(folder: string): Promise<Observation> {
  const { ffree, files } = await statfs(folder);
  // A file system without a fixed number of inodes (btrfs) has none to run out of.
  return files === 0 ? { available: 1, capacity: 1 } : { available: ffree, capacity: files };
}

/** proc(5): the second number after the slash of loadavg's fourth field counts all tasks. */
async function processes(): Promise<Observation> {
  const [load, ...limits] = await Promise.all(
    ['loadavg', 'sys/kernel/pid_max', 'sys/kernel/threads-max'].map((file) => readFile(`/proc/${file}`, 'utf8')),
  );
  const capacity = Math.min(...limits.map(Number));
  const running = Number(/\/(\d+)/.exec(load ?? '')?.[1] ?? 0);
  return { available: capacity - running, capacity };
}
