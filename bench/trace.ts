import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { Pod } from '../src/api/types.ts';
import { addressAt, parseCIDR } from '../src/base/cidr.ts';
import { waitFor } from '../src/base/wait.ts';
import { readConfig } from '../src/cluster/config.ts';
import { run, tryRun } from '../src/kernel/run.ts';
import { atMost, type Benchmark, type Figure, median } from './figures.ts';

const project = join(import.meta.dirname, '..');
const name = 'bench-trace';
const knit = join(project, 'bin/knit');
const echoPort = 7000;
const rounds = 9;
/** Windows in which the other flow is counted, with a trace and without one in turn. */
const windows = 10;
const windowMs = 500;

export const trace: Benchmark = {
  name: 'trace',
  about: `a connection across nodes, traced ${rounds} times; another flow beside a trace that waits`,
  run: measure,
};

async function measure(): Promise<Figure[]> {
  await run(knit, ['down', '--name', name]);
  await run(knit, ['up', '--name', name, '--no-kubeconfig', '--nodes', '2', '--uplink', 'none'], { timeoutMs: 60_000 });
  try {
    const address = await startPods();
    return [...(await measureStories()), ...(await measureOthers(address))];
  } finally {
    await run(knit, ['down', '--name', name], { timeoutMs: 60_000 });
  }
}

/** `from` on the first node and `to` on the second, with a Service; returns the address of `to`. */
async function startPods(): Promise<string> {
  const pods = ['from node-1', 'to node-2'].map((words) => {
    const [pod, nodeName] = words.split(' ');
    const containers = [{ name: 'lab', image: 'knit.dev/lab:1', ports: [{ containerPort: 8080 }] }];
    return {
      apiVersion: 'v1',
      kind: 'Pod',
      metadata: { name: pod, labels: { app: pod } },
      spec: { nodeName, containers },
    };
  });
  const spec = { selector: { app: 'to' }, ports: [{ port: 80, targetPort: 8080 }] };
  const service = { apiVersion: 'v1', kind: 'Service', metadata: { name: 'to' }, spec };
  const input = JSON.stringify({ apiVersion: 'v1', kind: 'List', items: [...pods, service] });
  await waitFor(() => kubectl(['apply', '-f', '-'], input), { what: 'the pods', timeoutMs: 20_000 });
  await kubectl(['wait', '--for=condition=Ready', 'pod', '--all', '--timeout=60s']);
  const slices = [
    'get',
    'endpointslices',
    '-l',
    'kubernetes.io/service-name=to',
    '-o',
    'jsonpath={.items[*].endpoints[*].addresses}',
  ];
  await waitFor(async () => (await kubectl(slices)) !== '', { what: 'an endpoint', timeoutMs: 20_000 });
  const pod: Pod = JSON.parse(await kubectl(['get', 'pod', 'to', '-o', 'json']));
  return pod.status?.podIP ?? '';
}

const kubectl = (args: readonly string[], input?: string) =>
  run(knit, ['kubectl', '--name', name, ...args], { input, timeoutMs: 90_000 });

/** From the first packet, by the kernel's stamp, until the story is printed. */
async function measureStories(): Promise<Figure[]> {
  const toScreen: number[] = [];
  const whole: number[] = [];
  for (let round = 0; round < rounds; round++) {
    const began = Date.now();
    const child = spawn(knit, ['trace', '--name', name, 'pod/from', 'service/to', '-o', 'json'], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const chunks: Buffer[] = [];
    let printedAt = 0;
    child.stdout.on('data', (chunk: Buffer) => {
      chunks.push(chunk);
      printedAt = Date.now();
    });
    await once(child, 'close');
    whole.push(Date.now() - began);
    const { stories } = JSON.parse(Buffer.concat(chunks).toString()) as { stories: { startedAt: string }[] };
    toScreen.push(printedAt - Date.parse(stories[0]?.startedAt ?? ''));
  }
  return [
    atMost('from the packet to its story on the screen', median(toScreen), 'ms', 300),
    { what: 'the whole command', value: median(whole), unit: 'ms' },
  ];
}

/** Rounds a second of another flow over the same nodes, beside an armed trace, against without one. */
async function measureOthers(address: string): Promise<Figure[]> {
  const pingPong = (pod: string, args: readonly string[]) => {
    const command = [knit, 'exec', '--name', name, `pod/${pod}`, '--', process.execPath];
    const script = join(import.meta.dirname, 'trace/ping-pong.ts');
    return spawn(command[0] ?? '', [...command.slice(1), script, ...args], { stdio: ['pipe', 'pipe', 'inherit'] });
  };
  const server = pingPong('to', ['server', String(echoPort)]);
  await once(server.stdout, 'data');
  const client = pingPong('from', ['client', address, String(echoPort)]);
  const counts = createInterface({ input: client.stdout })[Symbol.asyncIterator]();
  const roundsIn = async () => {
    client.stdin.write(`${windowMs}\n`);
    return Number((await counts.next()).value);
  };
  const [alone, beside]: [number[], number[]] = [[], []];
  try {
    await roundsIn(); // warms up
    for (let window = 0; window < windows; window++) {
      alone.push(await roundsIn());
      const armed = await armTrace();
      beside.push(await roundsIn());
      armed.kill('SIGTERM');
      await once(armed, 'exit');
      // The next one is known by a flow of its own.
      await tryRun('nsenter', [`--net=/run/netns/knit-${name}.node-1`, 'conntrack', '-D', '-d', silentAddress()]);
    }
  } finally {
    client.kill();
    server.kill();
  }
  const ratio = median(beside.map((count, index) => count / (alone[index] ?? count)));
  const value = (median(beside) * 1000) / windowMs;
  return [
    {
      what: 'another flow beside an armed trace',
      value,
      unit: 'rounds/s',
      against: 'the same without a trace',
      ratio,
      goal: 'at least 0.97',
      met: ratio >= 0.97,
    },
  ];
}

/** A trace that waits for an answer that nobody gives. */
async function armTrace(): Promise<ChildProcess> {
  const silent = silentAddress();
  const args = ['trace', '--name', name, 'pod/from', `${silent}:80`, '--timeout', '60'];
  const child = spawn(knit, args, { stdio: 'ignore' });
  // It sends when everything listens: what its start costs is not what it costs others.
  const flows = [`--net=/run/netns/knit-${name}.node-1`, 'conntrack', '-L', '-d', silent];
  const hasSent = async () => (await run('nsenter', flows)).includes(`dst=${silent}`);
  await waitFor(hasSent, { what: 'a trace that waits', timeoutMs: 10_000 });
  return child;
}

/** Nobody has it, and the fabric drops what goes there. */
const silentAddress = () => addressAt(parseCIDR(readConfig(name).addresses.loadBalancerCIDR), 20);
