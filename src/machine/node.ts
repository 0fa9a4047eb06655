import { mkdirSync, rmdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { killCgroup, makeCgroup, removeCgroup } from '../kernel/cgroup.ts';
import { enterNetns } from '../kernel/netns.ts';
import { nodeNetns } from './fabric.ts';
import { type KeptProcess, keeperPid, quote, startKeeper } from './keeper.ts';

/** Where libcni remembers results, whatever it is told; each node has its own mounted there. */
const cniCache = '/var/lib/cni';

/** A node as one set of namespaces (network, mount, UTS) with its processes. */
export interface NodeMachine {
  /** What the cluster's names begin with: `knit`, `knit-demo`. */
  readonly prefix: string;
  readonly name: string;
  /** Folder of its run-time files, below `/run`. */
  readonly runtime: string;
  /** Cgroup of the node: its processes are in `system` below it, its pods in `pods`. */
  readonly cgroup: string;
  /** Folder that must be seen inside, besides the machine's own files: that of all clusters' run-time files. */
  readonly runtimeRoot: string;
  readonly resolvConf: string;
  readonly processes: readonly KeptProcess[];
}

/**
 * Starts a node on a network namespace that stands. Inside, `/run` is the node's own, and `/etc` is the machine's
 * with the node's files laid over it, so that nothing that a container runtime leaves there reaches the machine.
 */
export async function startNodeMachine(node: NodeMachine): Promise<void> {
  const etc = join(node.runtime, 'etc');
  mkdirSync(etc, { recursive: true });
  writeFileSync(join(etc, 'hostname'), `${node.name}\n`);
  writeFileSync(join(etc, 'hosts'), `127.0.0.1 localhost\n127.0.1.1 ${node.name}\n`);
  writeFileSync(join(etc, 'resolv.conf'), node.resolvConf);
  makeCgroup(join(node.cgroup, 'pods'));
  await startKeeper({
    folder: node.runtime,
    cgroup: join(node.cgroup, 'system'),
    enter: ['nsenter', ...enterNetns(nodeNetns(node.prefix, node.name)), 'unshare', '--mount', '--uts'],
    setup: [`hostname ${quote(node.name)}`, ...mounts(node, etc)],
    processes: node.processes,
  });
}

/** Ends a node at once, as a power cut does: every process of it and of its pods. Its network namespace stays. */
export async function killNodeMachine(cgroup: string): Promise<void> {
  await killCgroup(cgroup);
  await removeCgroup(cgroup);
}

/** Takes away the one folder that nodes need outside knit's own, if it is empty. For when the last cluster is gone. */
export function removeCniCache(): void {
  try {
    rmdirSync(cniCache);
  } catch (error) {
    if (!['ENOENT', 'ENOTEMPTY', 'EEXIST'].includes((error as NodeJS.ErrnoException).code ?? '')) throw error;
  }
}

/** The arguments that take `nsenter` into all namespaces of a running node. */
export function enterNode(runtime: string): string[] | undefined {
  const pid = keeperPid(runtime);
  return pid === undefined ? undefined : [`--target=${pid}`, '--net', '--mount', '--uts'];
}

function mounts(node: NodeMachine, etc: string): string[] {
  const work = join(node.runtime, 'etc.work');
  const run = join(node.runtime, 'run');
  const inRun = join(run, node.runtimeRoot.replace(/^\/(var\/)?run\//, ''));
  mkdirSync(work, { recursive: true });
  mkdirSync(inRun, { recursive: true });
  for (const folder of ['netns', 'containerd', 'lock']) mkdirSync(join(run, folder), { recursive: true });
  mkdirSync(join(node.runtime, 'cni-cache'), { recursive: true });
  return [
    `mount -t overlay knit-etc -o lowerdir=/etc,upperdir=${etc},workdir=${work} /etc`,
    `mount --rbind ${quote(node.runtimeRoot)} ${quote(inRun)}`,
    `mount --rbind ${quote(run)} /run`,
    `mkdir -p ${cniCache}`,
    `mount --bind ${quote(join(node.runtime, 'cni-cache'))} ${cniCache}`,
    // Volumes with mount propagation need a shared tree, as a kubelet's machine has it.
    'mount --make-rshared /',
  ];
}
