import { existsSync, mkdirSync, readdirSync, readFileSync, rmdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { waitFor } from '../base/wait.ts';

/** Where the machine has its cgroups mounted; functions take another place where tests have one. */
const mounted = '/sys/fs/cgroup';

/**
 * `v2`: one tree, as systemd mounts it since version 247. `v1`: a hierarchy a controller. `hybrid`: those, and a tree of
 * version 2 beside them that has no controllers of its own.
 */
export type CgroupMode = 'v2' | 'hybrid' | 'v1';

export function cgroupMode(root = mounted): CgroupMode {
  if (root !== mounted) return modeOf(root);
  machine.mode ??= modeOf(root);
  return machine.mode;
}

/**
 * How the machine has them mounted, which does not change: while cgroups are made and removed each look at their files
 * has to wait for that.
 */
const machine: { mode?: CgroupMode; hierarchies?: readonly string[] } = {};

function modeOf(root: string): CgroupMode {
  if (existsSync(join(root, 'cgroup.controllers'))) return 'v2';
  return existsSync(join(root, 'unified/cgroup.controllers')) ? 'hybrid' : 'v1';
}

/** The controllers that limit and count here: `cpu`, `memory`, `pids` and others. None where no cgroups are mounted. */
export function cgroupControllers(root = mounted): string[] {
  if (cgroupMode(root) === 'v2') return readIfThere(join(root, 'cgroup.controllers')).split(/\s+/).filter(Boolean);
  // Controllers that share a hierarchy share its folder: `cpu,cpuacct`.
  return mountedHierarchies(root).flatMap((name) => name.split(','));
}

/** Folders of all hierarchies in which a cgroup may be. */
function hierarchies(root: string): string[] {
  return cgroupMode(root) === 'v2' ? [root] : mountedHierarchies(root).map((name) => join(root, name));
}

/** Names of the folders at which version 1 (and version 2 beside it) is mounted; links to them are left out. */
function mountedHierarchies(root: string): readonly string[] {
  if (root !== mounted) return hierarchiesIn(root);
  const found = machine.hierarchies ?? hierarchiesIn(root);
  if (found.length > 0) machine.hierarchies = found;
  return found;
}

function hierarchiesIn(root: string): string[] {
  if (!existsSync(root)) return [];
  return readdirSync(root, { withFileTypes: true }).flatMap((entry) => (entry.isDirectory() ? [entry.name] : []));
}

/** The hierarchy by which knit knows its processes: every process is in it, whatever else it is in. */
function tracking(root: string): string {
  return cgroupMode(root) === 'v2' ? root : join(root, 'pids');
}

/** Makes a cgroup (path below the root, without `/` before it) and returns the file that takes a process into it. */
export function makeCgroup(path: string, root = mounted): string {
  const folder = join(tracking(root), path);
  mkdirSync(folder, { recursive: true });
  return join(folder, 'cgroup.procs');
}

/**
 * The share of cpu that a cgroup gets beside its siblings where all want more than there is, in the unit of version 1
 * (1024 a core). On what is not there, or has no controller of cpu, nothing is set.
 */
export function setCpuShares(path: string, shares: number, root = mounted): void {
  const [folder, file, value] =
    cgroupMode(root) === 'v2'
      ? [root, 'cpu.weight', cpuWeight(shares)]
      : [hierarchyOf('cpu', root), 'cpu.shares', shares];
  writeIfThere(join(folder, path, file), String(value));
}

/** From 2–262144 to 1–10000, as KEP-2254 maps them. */
export function cpuWeight(shares: number): number {
  return 1 + Math.floor(((shares - 2) * 9999) / 262_142);
}

/** The folder of a controller of version 1, whether it is there or not. */
const hierarchyOf = (controller: string, root: string): string =>
  join(root, mountedHierarchies(root).find((each) => each.split(',').includes(controller)) ?? controller);

/** What all processes in a cgroup and below it may use together; what is left out is not limited. */
export interface CgroupLimits {
  readonly cpuPeriodUs: number;
  /** Time on cpus in each period. */
  readonly cpuQuotaUs?: number;
  readonly memoryBytes?: number;
  readonly pids?: number;
}

/** On what is not there, or has no controller for it, nothing is set. */
export function setCgroupLimits(path: string, limits: CgroupLimits, root = mounted): void {
  for (const { file, text } of limitFiles(path, limits, root)) writeIfThere(file, text);
}

/** The same of a cgroup that is new, and so has no limit yet. */
export function limitNewCgroup(path: string, limits: CgroupLimits, root = mounted): void {
  for (const { file, text } of limitFiles(path, limits, root)) {
    if (amountIn(text) < Number.POSITIVE_INFINITY) writeIfThere(file, text);
  }
}

/** Sets only what is more than before. */
export function raiseCgroupLimits(path: string, limits: CgroupLimits, root = mounted): void {
  for (const { file, text } of limitFiles(path, limits, root)) {
    if (amountIn(text) > amountIn(readIfThere(file))) writeIfThere(file, text);
  }
}

/** No limit is `max` (version 2) or a number below zero; of `200000 100000`, time in a period, the first counts. */
function amountIn(text: string): number {
  const amount = Number.parseInt(text, 10);
  return amount >= 0 ? amount : Number.POSITIVE_INFINITY;
}

function limitFiles(path: string, limits: CgroupLimits, root: string): { file: string; text: string }[] {
  const { cpuPeriodUs, cpuQuotaUs, memoryBytes, pids } = limits;
  if (cgroupMode(root) === 'v2') {
    const file = (name: string) => join(root, path, name);
    return [
      { file: file('cpu.max'), text: `${cpuQuotaUs ?? 'max'} ${cpuPeriodUs}` },
      { file: file('memory.max'), text: String(memoryBytes ?? 'max') },
      { file: file('pids.max'), text: String(pids ?? 'max') },
    ];
  }
  const file = (controller: string, name: string) => join(hierarchyOf(controller, root), path, name);
  return [
    { file: file('cpu', 'cpu.cfs_quota_us'), text: String(cpuQuotaUs ?? -1) },
    { file: file('memory', 'memory.limit_in_bytes'), text: String(memoryBytes ?? -1) },
    { file: file('pids', 'pids.max'), text: String(pids ?? 'max') },
  ];
}

function writeIfThere(file: string, text: string): void {
  try {
    writeFileSync(file, text, { flag: 'r+' });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
  }
}

/** All processes in a cgroup and below it. */
export function processesIn(path: string, root = mounted): number[] {
  return foldersBelow(join(tracking(root), path)).flatMap((folder) => {
    const pids = readIfThere(join(folder, 'cgroup.procs')).split('\n');
    return pids.filter((pid) => pid !== '').map(Number);
  });
}

/** Ends every process in a cgroup and below it with SIGKILL, and resolves when none is left. */
export async function killCgroup(path: string, root = mounted): Promise<void> {
  const killFile = join(tracking(root), path, 'cgroup.kill');
  await waitFor(
    () => {
      const pids = processesIn(path, root);
      if (pids.length === 0) return true;
      if (existsSync(killFile)) writeFileSync(killFile, '1');
      else pids.forEach(kill);
      return false;
    },
    { what: `the processes in ${path} to end`, timeoutMs: 10_000, intervalMs: 5 },
  );
}

/** Removes an empty cgroup, what is below it, and the folders above it that it leaves empty, in every hierarchy. */
export async function removeCgroup(path: string, root = mounted): Promise<void> {
  for (const hierarchy of hierarchies(root)) {
    await removeTree(join(hierarchy, path));
    for (let above = dirname(path); above !== '.'; above = dirname(above)) {
      if (!removeEmptyFolder(join(hierarchy, above))) break;
    }
  }
}

/** Removes a cgroup and what is below it in every hierarchy; what is above it stays. */
export async function removeCgroupTree(path: string, root = mounted): Promise<void> {
  await Promise.all(hierarchies(root).map((hierarchy) => removeTree(join(hierarchy, path))));
}

async function removeTree(cgroup: string): Promise<void> {
  // A process that just ended keeps its cgroup busy for a moment.
  await waitFor(() => foldersBelow(cgroup).toReversed().every(removeFolder), {
    what: `cgroup ${cgroup} to become free`,
    timeoutMs: 5_000,
    intervalMs: 5,
  });
}

function kill(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
  }
}

function foldersBelow(folder: string): string[] {
  let entries: string[];
  try {
    entries = readdirSync(folder, { withFileTypes: true }).flatMap((entry) =>
      entry.isDirectory() ? [entry.name] : [],
    );
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
    throw error;
  }
  return [folder, ...entries.flatMap((name) => foldersBelow(join(folder, name)))];
}

function readIfThere(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    // ENODEV: the cgroup was removed between opening and reading.
    if (['ENOENT', 'ENODEV'].includes((error as NodeJS.ErrnoException).code ?? '')) return '';
    throw error;
  }
}

function removeFolder(folder: string): boolean {
  try {
    rmdirSync(folder);
    return true;
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code;
    if (code === 'ENOENT') return true;
    if (code === 'EBUSY') return false;
    throw error;
  }
}

function removeEmptyFolder(folder: string): boolean {
  const below = foldersBelow(folder);
  return below.length === 1 && readIfThere(join(folder, 'cgroup.procs')) === '' && removeFolder(folder);
}
