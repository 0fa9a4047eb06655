import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { waitFor } from '../src/base/wait.ts';
import { processesIn } from '../src/kernel/cgroup.ts';
import { run } from '../src/kernel/run.ts';
import { atMost, type Benchmark, type Figure, median } from './figures.ts';

const project = join(import.meta.dirname, '..');
const name = 'bench-boot';
const knit = join(project, 'bin/knit');
const rounds = 3;
const idleSeconds = 20;

export const boot: Benchmark = {
  name: 'boot',
  about: `three nodes up, a Deployment answering, idle, down; median of ${rounds}`,
  run: measureBoot,
};

async function measureBoot(): Promise<Figure[]> {
  await run(knit, ['down', '--name', name]);
  const all: Round[] = [];
  for (let round = 0; round < rounds; round++) all.push(await oneRound(round === rounds - 1));
  const of = (pick: (round: Round) => number) => median(all.map(pick));
  const last = all.at(-1)!;
  return [
    atMost(
      'knit up: three nodes Ready',
      of((each) => each.upMs),
      'ms',
      2000,
    ),
    atMost(
      'knit up: DNS answers on a node',
      of((each) => each.dnsMs),
      'ms',
      2000,
    ),
    ...last.steps.map((step) => ({ what: `  of which: ${step.title}`, value: step.ms, unit: 'ms' })),
    atMost(
      'kubectl apply to the first HTTP 200 through the virtual IP',
      of((each) => each.applyMs),
      'ms',
      1000,
    ),
    atMost(
      'knit down',
      of((each) => each.downMs),
      'ms',
      1000,
    ),
    atMost('idle memory (proportional set size)', last.idle!.mib, 'MiB', 450),
    ...last.idle!.parts.map((part) => ({ what: `  of which: ${part.name}`, value: part.mib, unit: 'MiB' })),
    atMost('idle CPU', last.idle!.cpuPercent, '% of a core', 2),
  ];
}

interface Step {
  readonly title: string;
  readonly ms: number;
}

interface Round {
  readonly upMs: number;
  readonly dnsMs: number;
  readonly steps: Step[];
  readonly applyMs: number;
  readonly downMs: number;
  readonly idle?: Idle;
}

/** The kernel goes on freeing namespaces for seconds after the round before: a boot is measured on an idle machine. */
async function untilMachineIdle(): Promise<void> {
  let before = cpuTicks();
  await waitFor(
    () => {
      const now = cpuTicks();
      const busy = 1 - (now.idle - before.idle) / (now.all - before.all);
      before = now;
      return busy < 0.05;
    },
    { what: 'the machine to be idle', timeoutMs: 60_000, intervalMs: 500 },
  );
}

/** Of all processors since the machine started, in ticks (proc(5), /proc/stat). */
function cpuTicks(): { all: number; idle: number } {
  const [user = 0, nice = 0, system = 0, idle = 0, wait = 0, irq = 0, softirq = 0, steal = 0] = (
    read('/proc/stat').split('\n')[0] ?? ''
  )
    .split(/\s+/)
    .slice(1)
    .map(Number);
  return { all: user + nice + system + idle + wait + irq + softirq + steal, idle: idle + wait };
}

async function oneRound(withIdle: boolean): Promise<Round> {
  await untilMachineIdle();
  const began = Date.now();
  const dns = firstDnsAnswer();
  const { stderr, ms: upMs } = await timed(knit, ['up', '--name', name, '--no-kubeconfig']);
  const dnsMs = (await dns) - began;
  try {
    const applyMs = await applyToFirstAnswer();
    const idle = withIdle ? await measureIdle() : undefined;
    return {
      upMs,
      dnsMs,
      steps: stepsOf(stderr),
      applyMs,
      idle,
      downMs: (await timed(knit, ['down', '--name', name])).ms,
    };
  } finally {
    await run(knit, ['down', '--name', name]);
  }
}

/** Time of the first answer of cluster DNS to a question from the first node, in ms since the epoch. */
async function firstDnsAnswer(): Promise<number> {
  await waitFor(() => existsSync(`/run/netns/knit-${name}.node-1`), {
    what: 'the node',
    timeoutMs: 60_000,
    intervalMs: 5,
  });
  return await inNode(`
    const socket = require('node:dgram').createSocket('udp4');
    const name = ['kubernetes', 'default', 'svc', 'cluster', 'local'];
    const question = Buffer.concat([Buffer.from('000101000001000000000000', 'hex'),
      ...name.map((label) => Buffer.from([label.length, ...Buffer.from(label)])), Buffer.from('0000010001', 'hex')]);
    const ask = () => socket.send(question, 53, '10.' + dnsNet + '.0.10', () => {});
    const dnsNet = process.argv[1];
    socket.on('error', () => {});
    socket.on('message', (answer) => { if ((answer[3] & 15) === 0 && answer[7] > 0) { console.log(Date.now()); process.exit(); } });
    setInterval(ask, 5); ask();
  `);
}

/** Time from starting \`kubectl apply\` to the first HTTP 200 through the Service's address, asked from a node. */
async function applyToFirstAnswer(): Promise<number> {
  const clusterIP = (await serviceCIDR()).replace(/\.0\.0\/\d+$/, '.200.200');
  const answer = inNode(`
    const http = require('node:http');
    const ask = () => {
      const request = http.get({ host: '${clusterIP}', port: 80, timeout: 200 }, (response) => {
        if (response.statusCode === 200) { console.log(Date.now()); process.exit(); }
        response.resume(); setTimeout(ask, 5);
      });
      request.on('timeout', () => request.destroy());
      request.on('error', () => setTimeout(ask, 5));
    };
    ask();
  `);
  await waitFor(async () => /knit\.dev\/lab:1 .*all nodes/.test(await run(knit, ['image', 'list', '--name', name])), {
    what: 'the image on all nodes',
    timeoutMs: 30_000,
    intervalMs: 100,
  });
  const began = Date.now();
  await run(knit, ['kubectl', '--name', name, 'apply', '-f', '-'], { input: manifests(clusterIP), env: withKubectl() });
  return (await answer) - began;
}

function manifests(clusterIP: string): string {
  const labels = { app: 'bench' };
  const container = { name: 'lab', image: 'knit.dev/lab:1', ports: [{ containerPort: 8080 }] };
  const deployment = {
    apiVersion: 'apps/v1',
    kind: 'Deployment',
    metadata: { name: 'bench' },
    spec: {
      replicas: 3,
      selector: { matchLabels: labels },
      template: { metadata: { labels }, spec: { containers: [container] } },
    },
  };
  const service = {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name: 'bench' },
    spec: { clusterIP, selector: labels, ports: [{ port: 80, targetPort: 8080 }] },
  };
  return JSON.stringify({ apiVersion: 'v1', kind: 'List', items: [deployment, service] });
}

/** Runs a script in the first node's network until it prints a number. */
async function inNode(script: string): Promise<number> {
  const net = (await waitFor(serviceCIDR, { what: 'the cluster file', timeoutMs: 10_000, intervalMs: 5 })).split(
    '.',
  )[1]!;
  const child = spawn('nsenter', [`--net=/run/netns/knit-${name}.node-1`, process.execPath, '-e', script, net], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  // Where the benchmark fails meanwhile, its question must not go on.
  const end = () => child.kill('SIGKILL');
  process.once('exit', end);
  try {
    return Number(await firstOutput(child));
  } finally {
    process.off('exit', end);
  }
}

async function firstOutput(child: ChildProcess): Promise<string> {
  const timer = setTimeout(() => child.kill('SIGKILL'), 60_000);
  let output = '';
  child.stdout?.on('data', (chunk: Buffer) => (output += chunk.toString()));
  await once(child, 'close');
  clearTimeout(timer);
  if (output === '') throw new Error('no answer within a minute');
  return output.trim();
}

async function serviceCIDR(): Promise<string> {
  return JSON.parse(readFileSync(`/var/lib/knit/${name}/cluster.json`, 'utf8')).addresses.serviceCIDR;
}

interface Idle {
  readonly mib: number;
  readonly parts: { name: string; mib: number }[];
  readonly cpuPercent: number;
}

/** Memory and CPU of everything in the cluster's cgroup but the workload, once it has settled. */
async function measureIdle(): Promise<Idle> {
  await run(knit, ['kubectl', '--name', name, 'delete', 'deployment,service', 'bench', '--wait'], {
    env: withKubectl(),
  });
  await waitFor(
    async () => !(await run(knit, ['kubectl', '--name', name, 'get', 'pods', '-o', 'name'], { env: withKubectl() })),
    {
      what: 'the pods to go',
      timeoutMs: 60_000,
      intervalMs: 200,
    },
  );
  const before = cpuSeconds();
  await delay(idleSeconds * 1000); // the length of the measurement itself
  const cpuPercent = ((cpuSeconds() - before) / idleSeconds) * 100;
  const byName = Map.groupBy(members(), nameOf);
  const parts = [...byName].map(([part, pids]) => ({
    name: `${pids.length} × ${part}`,
    mib: pids.reduce((sum, pid) => sum + pssMiB(pid), 0),
  }));
  return {
    mib: parts.reduce((sum, part) => sum + part.mib, 0),
    parts: parts.toSorted((a, b) => b.mib - a.mib),
    cpuPercent,
  };
}

function members(): number[] {
  return processesIn(`knit/${name}`);
}

function nameOf(pid: number): string {
  const words = read(`/proc/${pid}/cmdline`).split('\0');
  const script = words.find((word) => word.endsWith('.js'));
  return (script ?? words[0] ?? '').split('/').at(-1)!;
}

function pssMiB(pid: number): number {
  return Number(/^Pss:\s+(\d+)/m.exec(read(`/proc/${pid}/smaps_rollup`))?.[1] ?? 0) / 1024;
}

function cpuSeconds(): number {
  return members().reduce((sum, pid) => {
    const fields = read(`/proc/${pid}/stat`).split(') ')[1]?.split(' ') ?? [];
    return sum + (Number(fields[11] ?? 0) + Number(fields[12] ?? 0)) / 100;
  }, 0);
}

/** A process may end while it is looked at. */
function read(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}

async function timed(command: string, args: readonly string[]): Promise<{ ms: number; stderr: string }> {
  const began = performance.now();
  const child = spawn(command, args, { stdio: ['ignore', 'ignore', 'pipe'] });
  let stderr = '';
  child.stderr.on('data', (chunk: Buffer) => (stderr += chunk.toString()));
  const [code] = await once(child, 'close');
  if (code !== 0) throw new Error(`${command} ${args.join(' ')} exited with ${code}: ${stderr}`);
  return { ms: performance.now() - began, stderr };
}

/** The steps as `knit up` prints them: `✓ Looking at this machine 0.02 s`. */
function stepsOf(stderr: string): Step[] {
  return [...stderr.matchAll(/✓\S* (.+?) \S*?(\d+\.\d+) s/g)].map((match) => ({
    title: match[1]!,
    ms: Number(match[2]) * 1000,
  }));
}

function withKubectl(): NodeJS.ProcessEnv {
  return { ...process.env, PATH: `${join(project, 'dist/tools')}:${process.env.PATH}` };
}
