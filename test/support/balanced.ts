import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { Pod, Service } from '../../src/api/types.ts';
import { indexOf, parseCIDR } from '../../src/base/cidr.ts';
import { run } from '../../src/kernel/run.ts';
import { eventually, type TestCluster } from './cluster.ts';

/** Greets each connection with pod, node and the client's address, and echoes what it says from then on. */
const greeter = `use Socket; $SIG{CHLD} = 'IGNORE';
socket(S, PF_INET, SOCK_STREAM, 0); setsockopt(S, SOL_SOCKET, SO_REUSEADDR, 1);
bind(S, sockaddr_in(7000, INADDR_ANY)) or die; listen(S, 512);
while (1) {
  my $peer = accept(C, S) or next;
  my ($port, $address) = sockaddr_in($peer);
  if (!fork) { select C; $| = 1; print "$ENV{POD_NAME} $ENV{NODE_NAME} " . inet_ntoa($address) . ":$port\\n"; print while <C>; exit }
  close C;
}`;

const fieldEnv = (name: string, fieldPath: string) => ({ name, valueFrom: { fieldRef: { fieldPath } } });

/** Pods with a web page (8080), a UDP echo (9000) and a TCP greeter (7000), one on each of `nodes`. */
export function labPods(app: string, nodes: readonly string[]): object[] {
  const env = [fieldEnv('POD_NAME', 'metadata.name'), fieldEnv('NODE_NAME', 'spec.nodeName')];
  return nodes.map((nodeName, index) => ({
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name: `${app}-${index + 1}`, labels: { app } },
    spec: {
      nodeName,
      terminationGracePeriodSeconds: 0,
      containers: [
        { name: 'lab', image: 'knit.dev/lab:1', env, readinessProbe: { tcpSocket: { port: 8080 }, periodSeconds: 1 } },
        // Once: what asks a greeter again and again makes flows of its own.
        {
          ...{ name: 'greeter', image: 'knit.dev/lab:1', env, command: ['perl', '-e', greeter] },
          startupProbe: { tcpSocket: { port: 7000 }, periodSeconds: 1, failureThreshold: 60 },
        },
      ],
    },
  }));
}

/** A Service of type LoadBalancer before {@link labPods}. */
export function balancedService(name: string, app: string, spec: Service['spec'] = {}, annotations = {}): object {
  const ports = [
    { name: 'http', port: 80, targetPort: 8080 },
    { name: 'greet', port: 7000 },
    { name: 'echo', port: 9000, protocol: 'UDP' },
  ];
  return {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name, annotations },
    spec: { type: 'LoadBalancer', selector: { app }, ports, ...spec },
  };
}

/** The Service's address of a family, as soon as it has one. */
export async function virtualAddress(cluster: TestCluster, name: string, family: 4 | 6 = 4): Promise<string> {
  return await eventually(`${name} to have an address`, async () => {
    const { status } = await cluster.get<Service>('service', name);
    return status?.loadBalancer?.ingress?.find(({ ip }) => ip?.includes(':') === (family === 6))?.ip;
  });
}

/** The nodes that get new connections for a virtual address, as the fabric's kernel has it. */
export async function nodesOfNew({ config }: TestCluster, address: string): Promise<string[]> {
  const list = (map: string) =>
    run('ip', ['netns', 'exec', `knit-${config.name}.fabric`, 'nft', 'list', 'map', 'ip', 'knit-lb', map]);
  const [groups, buckets] = await Promise.all([list('group'), list('bucket')]);
  const group = [...groups.matchAll(/([\d.]+) : (0x\w+)/g)].find(([, vip]) => vip === address)?.[2];
  const elements = [...buckets.matchAll(/(0x\w+) \. \d+ : (0x\w+)/g)].filter(([, of]) => of === group);
  // A node's mark is its place in the nodes' network.
  const marks = new Set(elements.map(([, , mark]) => Number(mark)));
  const network = parseCIDR(config.addresses.nodeCIDR);
  return config.nodes.filter((node) => marks.has(indexOf(network, node.address) ?? -1)).map((node) => node.name);
}

export async function podsReady(cluster: TestCluster, app: string): Promise<Pod[]> {
  await cluster.kubectl(['wait', '--for=condition=Ready', 'pod', '-l', `app=${app}`, '--timeout=110s']);
  return (await cluster.get<{ items: Pod[] }>('pods', '-l', `app=${app}`)).items;
}

/** What a server says of a connection: who it is, and whom it sees. */
export interface Greeting {
  readonly pod: string;
  readonly node: string;
  readonly client: string;
  /** The client's own: a node gives it another one where the pod knows it by an earlier connection. */
  readonly port: number;
}

/** Closed at the end of its block: `await using held = …`. */
export interface HeldConnections extends AsyncDisposable {
  readonly greetings: readonly Greeting[];
  /** Says something on each, and returns what came back: `echo`, `closed`, `silence`. */
  speak(): Promise<string[]>;
}

/** Opens connections in the network of `target` and holds them. */
export async function hold(
  cluster: TestCluster,
  target: string,
  address: string,
  count: number,
): Promise<HeldConnections> {
  const child = spawnIn(cluster, target, [script('greeted-connections.ts'), address, '7000', String(count)]);
  const lines = createInterface(child.stdout!)[Symbol.asyncIterator]();
  const next = async (): Promise<string[]> => JSON.parse((await lines.next()).value ?? '["ended"]');
  const first = await next().catch(() => ['ended']);
  const greetings = first.map((line): Greeting => {
    const [port, pod = '', node = '', client = ''] = line.split(' ');
    return { pod, node, client, port: Number(port) };
  });
  return {
    greetings,
    speak: async () => {
      child.stdin!.write('\n');
      return await next();
    },
    [Symbol.asyncDispose]: async () => {
      child.stdin!.end();
      if (child.exitCode === null) await once(child, 'close');
    },
  };
}

/** Opens so many connections, and closes them. */
export async function greet(
  cluster: TestCluster,
  target: string,
  address: string,
  count: number,
): Promise<readonly Greeting[]> {
  await using held = await hold(cluster, target, address, count);
  return held.greetings;
}

export interface UdpOptions {
  /** Of what each datagram says. */
  readonly bytes?: number;
  /** How long an answer is waited for. Default 30 s. */
  readonly timeoutMs?: number;
}

/** Answers of the UDP echo: `web-1 198.51.100.2:40312 ping`; `no answer`. */
export async function askUdp(
  cluster: TestCluster,
  target: string,
  address: string,
  count: number,
  { bytes = 4, timeoutMs = 30_000 }: UdpOptions = {},
): Promise<string[]> {
  const command = [script('ask-udp.ts'), address, '9000', ...[count, bytes, timeoutMs].map(String)];
  return JSON.parse(await cluster.knit(['exec', target, '--', process.execPath, ...command]));
}

function script(name: string): string {
  return join(import.meta.dirname, name);
}

function spawnIn(cluster: TestCluster, target: string, args: readonly string[]): ChildProcess {
  const knit = join(import.meta.dirname, '../../bin/knit');
  const words = ['exec', '--name', cluster.config.name, target, '--', process.execPath, ...args];
  return spawn(knit, words, { stdio: ['pipe', 'pipe', 'inherit'] });
}

/** A flow as a kernel remembers it: what its first packet was, and what it expects as an answer. */
export interface KernelFlow {
  readonly source: string;
  readonly destination: string;
  readonly replySource: string;
  readonly replyDestination: string;
  /** The connection's mark: by it the fabric leads to a node. */
  readonly mark: number;
}

/**
 * Flows of one protocol from a client's port to an address, or whose answers come to a port, as `fabric` or a node tracks
 * them. The port alone says little: flows of a minute ago are remembered, and clients use their ports again.
 */
export async function kernelFlows(
  cluster: TestCluster,
  where: string,
  protocol: 'tcp' | 'udp',
  by: { readonly port: number; readonly to: string } | { readonly replyPort: number },
): Promise<KernelFlow[]> {
  const prefix = cluster.config.name === 'knit' ? 'knit' : `knit-${cluster.config.name}`;
  const command = [
    'conntrack',
    '-L',
    '-p',
    protocol,
    ...('port' in by ? ['--orig-port-src', by.port, '--orig-dst', by.to] : ['--reply-port-dst', by.replyPort]),
  ].map(String);
  const text = await run('nsenter', [`--net=/run/netns/${prefix}.${where}`, ...command]);
  return text.split('\n').flatMap((line) => {
    const [source, destination, replySource, replyDestination] = [...line.matchAll(/\b(?:src|dst)=(\S+)/g)].map(
      (match) => match[1] ?? '',
    );
    if (!source || !destination || !replySource || !replyDestination) return [];
    return [{ source, destination, replySource, replyDestination, mark: Number(/\bmark=(\d+)/.exec(line)?.[1] ?? 0) }];
  });
}
