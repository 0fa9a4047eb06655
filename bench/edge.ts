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
import { atMost, type Benchmark, type Figure, median } from './figures.ts';

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
const killed = 'node-2';

export const edge: Benchmark = {
  name: 'edge',
  about: `L4 load balancers against the way straight to the pods, and what goes wrong under load; median of ${rounds} rounds`,
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
    await apply(...[1, 2, 3].map((node) => pod(`node-${node}`)), ...waysTo('fast', 7003));
    const pods = await readyPods('fast');
    const serve = async (nodeName: string) => children.push(await startServer(`fast-${nodeName}`));
    for (const { spec } of pods) await serve(spec?.nodeName ?? '');
    const { ingress: proxy } = config.addresses;
    return [...(await speed(pods)), ...(await nodesKilled(proxy, serve)), ...(await changesUnderLoad(proxy))];
  } finally {
    for (const child of children) child.stdin?.end();
    await run(knit, ['down', '--name', name]);
    await removeBench();
  }
}

/**
 * The same client asks each of them in turn, so that what else the machine does weighs on all alike; and straight to the
 * pods means the same pods: three server processes cost more a connection than one.
 */
async function speed(pods: readonly Pod[]): Promise<Figure[]> {
  const direct = pods.map(({ status }) => status?.podIP).join();
  const [local, cluster] = [await addressOf('fast-local'), await addressOf('fast-cluster')];
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
      { what: `${what}: straight to the pods`, value: median(seen.direct), unit },
      {
        what: `${what}: L4, Local`,
        value: median(seen.local),
        unit,
        against: 'straight to the pods',
        ratio,
        goal: `at least ${least}`,
        met: ratio >= least,
      },
      {
        what: `${what}: L4, Cluster`,
        value: median(seen.cluster),
        unit,
        against: 'straight to the pods',
        ratio: ratioTo(seen.cluster),
      },
    );
  }
  return figures;
}

/** A way to pods from outside: an address and port, and the host that is asked for. */
interface Way {
  readonly name: string;
  readonly address: string;
  readonly port: number;
  readonly host?: string;
}

async function nodesKilled(proxy: string, serve: (node: string) => Promise<unknown>): Promise<Figure[]> {
  const figures: Figure[] = [];
  for (const way of [
    { name: 'L4, Local', address: await addressOf('fast-local'), port: 7001 },
    ...l7Ways('fast', proxy),
  ]) {
    figures.push(...(await nodeKilled(way)));
    await run(knit, ['node', 'start', '--name', name, killed]);
    const look = ['exec', '--name', name, `pod/fast-${killed}`, '--', 'true'];
    await waitFor(() => run(knit, look), { what: `the pod on ${killed}`, timeoutMs: 60_000 });
    await serve(killed);
  }
  return figures;
}

async function nodeKilled(way: Way): Promise<Figure[]> {
  await answers(way);
  const load = startRequests(way, 8, loadRate);
  await load.began;
  await run(knit, ['node', 'stop', '--name', name, killed]);
  const { requests, failures, slowestMs } = await load.report;
  const last = Math.max(0, ...failures.map(({ atMs }) => atMs));
  const what = `node killed, ${way.name}`;
  return [
    { what: `${what}: requests at ${loadRate}/s`, value: requests, unit: '' },
    { what: `${what}: requests that failed`, value: failures.length, unit: '' },
    atMost(`${what}: last one that failed began, after knit node stop did,`, last, 'ms', 2000),
    { what: `${what}: slowest request`, value: slowestMs, unit: 'ms' },
  ];
}

/** Rolling updates and a drain, of pods that leave late and of pods that leave at once. */
async function changesUnderLoad(proxy: string): Promise<Figure[]> {
  const figures: Figure[] = [];
  for (const preStop of [5, 0]) {
    const app = preStop ? 'late' : 'early';
    await apply(deployment(app, preStop), ...waysTo(app, 8080));
    await kubectl('rollout', 'status', `deployment/${app}`, '--timeout=120s');
    const l4Ways = (['local', 'cluster'] as const).map(async (policy): Promise<Way> => {
      return { name: `L4 ${policy}`, address: await addressOf(`${app}-${policy}`), port: 80 };
    });
    for (const way of [...(await Promise.all(l4Ways)), ...l7Ways(app, proxy)]) {
      for (const [what, change] of [
        ['rolling update', () => rollout(app)],
        ['drain', () => drain(app)],
      ] as const) {
        await answers(way);
        const load = startRequests(way, 600, rolloutRate);
        await load.began;
        await change();
        const { failures } = await load.end();
        const goal = preStop ? { goal: 'none', met: failures.length === 0 } : {};
        figures.push({
          what: `${what}, ${way.name}, preStop ${preStop} s: failed`,
          value: failures.length,
          unit: 'requests',
          ...goal,
        });
      }
    }
    await kubectl('delete', 'deployment,ingress', '-l', `app=${app}`, '--wait=false');
  }
  return figures;
}

/** Services and Ingresses before the pods of `app`, whose web server has the port `web`. */
function waysTo(app: string, web: number): object[] {
  return [
    balanced(`${app}-local`, app, 'Local', web),
    balanced(`${app}-cluster`, app, 'Cluster', web),
    ingress(app, 'nodes'),
    ingress(app, 'pods'),
  ];
}

function l7Ways(app: string, address: string): Way[] {
  return [
    { name: 'L7 by node ports', address, port: 80, host: `${app}-nodes.test` },
    { name: 'L7 straight to pods', address, port: 80, host: `${app}-pods.test` },
  ];
}

async function answers({ name: what, address, port, host = '' }: Way): Promise<void> {
  const ask = ['curl', '-sf', '--http0.9', '-m', '2', '-H', `Host: ${host}`, `http://${address}:${port}/`];
  await waitFor(() => run('nsenter', [`--net=/run/netns/${bench}`, ...ask]), {
    what: `${what} to answer`,
    timeoutMs: 20_000,
  });
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
    metadata: { name: app, labels },
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

function balanced(service: string, app: string, externalTrafficPolicy: string, web: number): object {
  const ports = [
    { name: 'http', port: 80, targetPort: web },
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

function ingress(app: string, backends: 'nodes' | 'pods'): object {
  const service = { name: `${app}-cluster`, port: { name: 'http' } };
  return {
    apiVersion: 'networking.k8s.io/v1',
    kind: 'Ingress',
    metadata: { name: `${app}-${backends}`, labels: { app }, annotations: { 'knit.dev/backends': backends } },
    spec: {
      rules: [
        { host: `${app}-${backends}.test`, http: { paths: [{ path: '/', pathType: 'Prefix', backend: { service } }] } },
      ],
    },
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
  const ended = once(child, 'exit').then(() => Promise.reject(new Error(`${podName} runs no server`)));
  await Promise.race([once(child.stdout!, 'data', { signal: AbortSignal.timeout(20_000) }), ended]);
  ended.catch(() => undefined); // it ends with its node
  return child;
}

interface Requests {
  readonly began: Promise<unknown>;
  /** When its time is over. */
  readonly report: Promise<RequestReport>;
  /** Ends it before. */
  end(): Promise<RequestReport>;
}

function startRequests({ address, port, host = '' }: Way, seconds: number, rate: number): Requests {
  const args = clientCommand(['requests', address, String(port), String(seconds), String(rate), host]);
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
