import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { Pod, Service } from '../src/api/types.ts';
import { addressAt, parseCIDR } from '../src/base/cidr.ts';
import { waitFor } from '../src/base/wait.ts';
import type { ClusterConfig } from '../src/cluster/config.ts';
import { ipBatch } from '../src/kernel/ip.ts';
import { run } from '../src/kernel/run.ts';
import type { RequestReport } from './edge/client.ts';
import { type Benchmark, type Figure, median } from './figures.ts';

const project = join(import.meta.dirname, '..');
const knit = join(project, 'bin/knit');
const name = 'bench-edge';
const fabric = `knit-${name}.fabric`;
/** Beside the fabric as clients are, but known inside: it reaches pods too. */
const bench = 'knit-t-bench-edge';
const rounds = 5;
const roundSeconds = 2;
const loadRate = 2000;
const rolloutRate = 40;

export const edge: Benchmark = {
  name: 'edge',
  about: `L4 load balancers against the way straight to the pod, and what goes wrong under load; median of ${rounds} rounds`,
  run: measureEdge,
};

async function measureEdge(): Promise<Figure[]> {
  await run(knit, ['down', '--name', name]);
  await removeBench();
  const children: ChildProcess[] = [];
  try {
    const up = await run(knit, ['up', '--name', name, '--no-kubeconfig', '--uplink', 'none', '-o', 'json']);
    const config: ClusterConfig = JSON.parse(up);
    await makeBench(config);
    await apply(
      ...[1, 2, 3].map((node) => pod(`node-${node}`)),
      balanced('local', 'fast', 'Local'),
      balanced('cluster', 'fast', 'Cluster'),
    );
    const pods = await readyPods('fast');
    for (const { metadata } of pods) children.push(await startServer(metadata?.name ?? ''));
    return [
      ...(await speed(pods[0]?.status?.podIP ?? '', await addressOf('local'), await addressOf('cluster'))),
      ...(await nodeKilled(await addressOf('local'))),
      ...(await changesUnderLoad()),
    ];
  } finally {
    for (const child of children) child.stdin?.end();
    await run(knit, ['down', '--name', name]);
    await removeBench();
  }
}

/** The same client asks each of them in turn, so that what else the machine does weighs on all alike. */
async function speed(direct: string, local: string, cluster: string): Promise<Figure[]> {
  await waitFor(async () => (await client('connect', local, '0.1')) !== '', {
    what: 'the load balancer',
    timeoutMs: 10_000,
  });
  const figures: Figure[] = [];
  for (const [mode, what, unit, least] of [
    ['connect', 'new TCP connections', '/s', 0.9],
    ['bytes', 'bytes over one connection', 'B/s', 0.95],
  ] as const) {
    const seen = { direct: [] as number[], local: [] as number[], cluster: [] as number[] };
    for (let round = 0; round < rounds; round++) {
      seen.direct.push(Number(await client(mode, direct, String(roundSeconds))));
      seen.local.push(Number(await client(mode, local, String(roundSeconds))));
      seen.cluster.push(Number(await client(mode, cluster, String(roundSeconds))));
    }
    const ratioTo = (values: readonly number[]) => median(values.map((value, round) => value / seen.direct[round]!));
    const ratio = ratioTo(seen.local);
    figures.push(
      { what: `${what}: straight to the pod`, value: median(seen.direct), unit },
      {
        what: `${what}: L4, Local`,
        value: median(seen.local),
        unit,
        against: 'straight to the pod',
        ratio,
        goal: `at least ${least}`,
        met: ratio >= least,
      },
      {
        what: `${what}: L4, Cluster`,
        value: median(seen.cluster),
        unit,
        against: 'straight to the pod',
        ratio: ratioTo(seen.cluster),
      },
    );
  }
  return figures;
}

async function nodeKilled(address: string): Promise<Figure[]> {
  const load = startRequests(address, 7001, 8, loadRate);
  await load.began;
  await run(knit, ['node', 'stop', '--name', name, 'node-2']);
  const { requests, failures, slowestMs } = await load.report;
  const last = Math.max(0, ...failures.map(({ atMs }) => atMs));
  await run(knit, ['node', 'start', '--name', name, 'node-2']);
  return [
    { what: `node killed: requests at ${loadRate}/s`, value: requests, unit: '' },
    { what: 'node killed: requests that failed', value: failures.length, unit: '' },
    {
      what: 'node killed: last one that failed began, after knit node stop did,',
      value: last,
      unit: 'ms',
      goal: 'at most 2000 ms',
      met: last <= 2000,
    },
    { what: 'node killed: slowest request', value: slowestMs, unit: 'ms' },
  ];
}

/** Rolling updates and a drain, of pods that leave late and of pods that leave at once. */
async function changesUnderLoad(): Promise<Figure[]> {
  const figures: Figure[] = [];
  for (const preStop of [5, 0]) {
    const app = preStop ? 'late' : 'early';
    await apply(
      deployment(app, preStop),
      balanced(`${app}-local`, app, 'Local'),
      balanced(`${app}-cluster`, app, 'Cluster'),
    );
    await kubectl('rollout', 'status', `deployment/${app}`, '--timeout=120s');
    for (const policy of ['local', 'cluster'] as const) {
      const address = await addressOf(`${app}-${policy}`);
      for (const [what, change] of [
        ['rolling update', () => rollout(app)],
        ['drain', () => drain(app)],
      ] as const) {
        const ask = ['curl', '-sf', '-m', '2', `http://${address}/`];
        await waitFor(() => run('nsenter', [`--net=/run/netns/${bench}`, ...ask]), {
          what: `${app} to answer`,
          timeoutMs: 20_000,
        });
        const load = startRequests(address, 80, 600, rolloutRate);
        await load.began;
        await change();
        const { failures } = await load.end();
        const goal = preStop ? { goal: 'none', met: failures.length === 0 } : {};
        figures.push({
          what: `${what}, ${policy}, preStop ${preStop} s: failed`,
          value: failures.length,
          unit: 'requests',
          ...goal,
        });
      }
    }
    await kubectl('delete', 'deployment', app, '--wait=false');
  }
  return figures;
}

async function rollout(app: string): Promise<void> {
  await kubectl('rollout', 'restart', `deployment/${app}`);
  await kubectl('rollout', 'status', `deployment/${app}`, '--timeout=180s');
  await waitFor(async () => (await podsOf(app)).length === 3, { what: 'old pods to be gone', timeoutMs: 60_000 });
}

async function drain(app: string): Promise<void> {
  await kubectl(
    'drain',
    'node-3',
    '--ignore-daemonsets',
    '--force',
    '--delete-emptydir-data',
    `--pod-selector=app=${app}`,
    '--timeout=120s',
  );
  await kubectl('rollout', 'status', `deployment/${app}`, '--timeout=120s');
  await kubectl('uncordon', 'node-3');
}

function pod(nodeName: string): object {
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name: `fast-${nodeName}`, labels: { app: 'fast' } },
    spec: { nodeName, terminationGracePeriodSeconds: 0, containers: [{ name: 'lab', image: 'knit.dev/lab:1' }] },
  };
}

function deployment(app: string, preStop: number): object {
  const labels = { app };
  const lifecycle = preStop ? { lifecycle: { preStop: { sleep: { seconds: preStop } } } } : {};
  const readinessProbe = { tcpSocket: { port: 8080 }, periodSeconds: 1 };
  const spread = {
    maxSkew: 1,
    topologyKey: 'kubernetes.io/hostname',
    whenUnsatisfiable: 'ScheduleAnyway',
    labelSelector: { matchLabels: labels },
  };
  return {
    apiVersion: 'apps/v1',
    kind: 'Deployment',
    metadata: { name: app },
    spec: {
      replicas: 3,
      selector: { matchLabels: labels },
      strategy: { rollingUpdate: { maxUnavailable: 0, maxSurge: 1 } },
      template: {
        metadata: { labels },
        spec: {
          topologySpreadConstraints: [spread],
          containers: [{ name: 'lab', image: 'knit.dev/lab:1', readinessProbe, ...lifecycle }],
        },
      },
    },
  };
}

function balanced(service: string, app: string, externalTrafficPolicy: string): object {
  const ports = [
    { name: 'http', port: 80, targetPort: 8080 },
    { name: 'fast', port: 7001 },
    { name: 'bytes', port: 7002 },
  ];
  return {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name: service },
    spec: { type: 'LoadBalancer', externalTrafficPolicy, selector: { app }, ports },
  };
}

async function addressOf(service: string): Promise<string> {
  return await waitFor(
    async () => {
      const { status }: Service = JSON.parse(await kubectl('get', 'service', service, '-o', 'json'));
      return status?.loadBalancer?.ingress?.[0]?.ip;
    },
    { what: `an address for ${service}`, timeoutMs: 10_000 },
  );
}

async function readyPods(app: string): Promise<Pod[]> {
  await kubectl('wait', '--for=condition=Ready', 'pod', '-l', `app=${app}`, '--timeout=60s');
  return await podsOf(app);
}

async function podsOf(app: string): Promise<Pod[]> {
  return JSON.parse(await kubectl('get', 'pods', '-l', `app=${app}`, '-o', 'json')).items;
}

async function kubectl(...args: string[]): Promise<string> {
  return await run(knit, ['kubectl', '--name', name, ...args], { timeoutMs: 200_000 });
}

async function apply(...objects: object[]): Promise<void> {
  const input = JSON.stringify({ apiVersion: 'v1', kind: 'List', items: objects });
  await run(knit, ['kubectl', '--name', name, 'apply', '-f', '-'], { input });
}

async function makeBench({ addresses }: ClusterConfig): Promise<void> {
  const network = parseCIDR(addresses.clientCIDR);
  const [gateway, address] = [addressAt(network, 1), addressAt(network, 20)];
  await ipBatch([`netns add ${bench}`, `link add bench netns ${fabric} type veth peer name eth0 netns ${bench}`]);
  await ipBatch(['link set bench up', `addr add ${gateway}/32 dev bench`, `route add ${address}/32 dev bench`], fabric);
  await ipBatch(
    [
      'link set lo up',
      'link set eth0 up',
      `addr add ${address}/32 dev eth0`,
      `route add default via ${gateway} dev eth0 onlink`,
    ],
    bench,
  );
}

async function removeBench(): Promise<void> {
  await ipBatch([`netns del ${bench}`]).catch(() => undefined); // there may be none
}

function clientCommand(args: readonly string[]): string[] {
  return [`--net=/run/netns/${bench}`, process.execPath, join(import.meta.dirname, 'edge/client.ts'), ...args];
}

async function client(...args: string[]): Promise<string> {
  return (await run('nsenter', clientCommand(args), { timeoutMs: 60_000 })).trim();
}

/** A server in the pod's network, by this machine's Node.js. */
async function startServer(podName: string): Promise<ChildProcess> {
  const program = [process.execPath, join(import.meta.dirname, 'edge/server.ts')];
  const child = spawn(knit, ['exec', '--name', name, `pod/${podName}`, '--', ...program], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  await once(child.stdout!, 'data', { signal: AbortSignal.timeout(20_000) });
  return child;
}

interface Requests {
  readonly began: Promise<unknown>;
  /** When its time is over. */
  readonly report: Promise<RequestReport>;
  /** Ends it before. */
  end(): Promise<RequestReport>;
}

function startRequests(address: string, port: number, seconds: number, rate: number): Requests {
  const args = clientCommand(['requests', address, String(port), String(seconds), String(rate)]);
  const child = spawn('nsenter', args, { stdio: ['pipe', 'pipe', 'inherit'] });
  const lines: string[] = [];
  const reader = createInterface(child.stdout!).on('line', (line) => lines.push(line));
  const report = once(reader, 'close').then(() => JSON.parse(lines.at(-1) ?? '') as RequestReport);
  return {
    began: once(reader, 'line', { signal: AbortSignal.timeout(20_000) }),
    report,
    end: async () => {
      child.stdin!.end();
      return await report;
    },
  };
}
