import { type ChildProcess, spawn } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { ProxyMode } from '../../src/proxy/index.ts';
import { CLUSTER_CIDR, NODE } from './world.ts';

const knit = join(import.meta.dirname, '../../bin/knit');

/** `knit proxy` in the namespace of this process. */
export interface ProxyProcess {
  /** From its start to the message that all is in the kernel. */
  readonly startMs: number;
  /** Of those, from the whole list of objects to the kernel. */
  loadMs(): Promise<number>;
  /** Seconds of CPU, its `nft` included. */
  cpuSeconds(): number;
  /** Proportional set size of it and all that it started. */
  memoryMiB(): number;
  stop(): Promise<void>;
}

/** `nodeOptions`: flags of Node.js. */
export async function startProxyProcess(
  kubeconfig: string,
  mode: ProxyMode = 'nftables',
  nodeOptions = '',
): Promise<ProxyProcess> {
  const began = performance.now();
  const args = ['proxy', '--kubeconfig', kubeconfig, '--node-name', NODE, '--cluster-cidr', CLUSTER_CIDR];
  const child = spawn(knit, [...args, '--proxy-mode', mode], {
    stdio: ['ignore', 'ignore', 'pipe'],
    env: { ...process.env, NODE_OPTIONS: nodeOptions },
  });
  await untilLine(child, /Services are in the kernel/);
  const startMs = performance.now() - began;
  return {
    startMs,
    async loadMs() {
      const text = await (await fetch('http://127.0.0.1:10249/metrics')).text();
      const name = 'kubeproxy_sync_full_proxy_rules_duration_seconds_sum';
      return Number(new RegExp(`^${name} (.*)$`, 'm').exec(text)?.[1]) * 1000;
    },
    cpuSeconds: () => treeOf(child.pid ?? 0).reduce((sum, pid) => sum + cpuOf(pid), 0),
    memoryMiB: () => treeOf(child.pid ?? 0).reduce((sum, pid) => sum + pssMiB(pid), 0),
    async stop() {
      const ended = new Promise<void>((resolve) => child.once('exit', () => resolve()));
      child.kill('SIGTERM');
      await ended;
    },
  };
}

async function untilLine(child: ChildProcess, pattern: RegExp): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    if (!child.stderr) return reject(new Error('no output'));
    let last = '';
    createInterface({ input: child.stderr }).on('line', (line) => {
      last = line;
      if (pattern.test(line)) resolve();
    });
    child.once('exit', () => reject(new Error(`knit proxy ended: ${last}`)));
  });
}

/** A process and all below it. */
function treeOf(root: number): number[] {
  const children = new Map<number, number[]>();
  for (const name of readdirSync('/proc')) {
    if (!/^\d+$/.test(name)) continue;
    const parent = Number(statOf(Number(name))[1]);
    children.set(parent, [...(children.get(parent) ?? []), Number(name)]);
  }
  const tree = [root];
  for (const pid of tree) tree.push(...(children.get(pid) ?? []));
  return tree;
}

/** Its own and that of children which ended. */
function cpuOf(pid: number): number {
  const fields = statOf(pid);
  return [11, 12, 13, 14].reduce((sum, field) => sum + Number(fields[field] ?? 0), 0) / 100;
}

/** Fields of `/proc/PID/stat` from the state on. */
function statOf(pid: number): string[] {
  return read(`/proc/${pid}/stat`).split(') ')[1]?.split(' ') ?? [];
}

function pssMiB(pid: number): number {
  return Number(/^Pss:\s+(\d+)/m.exec(read(`/proc/${pid}/smaps_rollup`))?.[1] ?? 0) / 1024;
}

function read(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return ''; // a process may end while it is looked at
  }
}
