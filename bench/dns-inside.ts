import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { closeSync, mkdirSync, openSync, readFileSync, writeFileSync } from 'node:fs';
import { constants, setPriority } from 'node:os';
import { join } from 'node:path';
import { builtinKinds } from '../src/api/kinds/index.ts';
import { endpointSlices, namespaces, serviceAccounts, services } from '../src/api/resource.ts';
import type { KubeObject } from '../src/api/types.ts';
import { startTestApiServer, type TestApiServer } from '../src/apiserver/testing.ts';
import { waitFor } from '../src/base/wait.ts';
import type { Client } from '../src/client/client.ts';
import { createClient } from '../src/client/requests.ts';
import { inProcessTransport } from '../src/cluster/in-process.ts';
import { slice } from '../src/dns/fixtures.ts';
import { dnsManifests, nodeFlags } from '../src/dns/manifests.ts';
import { Type } from '../src/dns/message.ts';
import { knownNameKey } from '../src/dns/names.ts';
import { buildQuery } from '../src/dns/response.ts';

/** What is measured inside; the last line of standard output, as JSON. */
export interface Measured {
  readonly server: Load;
  readonly echo: Load;
  /** Questions a second at which times are measured. */
  readonly rate: number;
  readonly idleMiB: number;
  readonly loadedMiB: number;
  /** From a write to the API server to the first answer that has it, each in ms. */
  readonly changes: readonly number[];
}

interface Load {
  readonly perSecond: number;
  /** Answers for each second of CPU that the server took: its rate on a core of its own. */
  readonly perCpuSecond: number;
  readonly lost: number;
  /** 99th percentile of answers' times at the measured rate. */
  readonly p99Ms: number;
}

const dist = join(import.meta.dirname, '../dist');
const account = '/var/run/secrets/kubernetes.io/serviceaccount';
const ticksPerSecond = 100;
const echoPort = 54;
const rate = 30_000;

async function main(scratch: string, count: number): Promise<Measured> {
  // What else runs on this machine is not to be measured. Children inherit it.
  setPriority(constants.priority.PRIORITY_HIGHEST);
  execFileSync('ip', ['link', 'set', 'lo', 'up']);
  execFileSync('mount', ['-t', 'tmpfs', 'knit-bench', '/run']);
  const api = await startTestApiServer();
  const started: ChildProcess[] = [];
  try {
    const client = createClient(inProcessTransport(api.server));
    await fill(client, count);
    const questions = join(scratch, 'questions');
    writeFileSync(
      questions,
      someNames(count)
        .map((name) => `${name} A\n`)
        .join(''),
    );
    const echo = await echoLoad(started, questions);
    const dns = await startDns(api, client, started);
    const idleMiB = proportionalMiB(dns);
    const server = await load(dns, 53, questions);
    const loadedMiB = proportionalMiB(dns);
    return { server, echo, rate, idleMiB, loadedMiB, changes: await measureChanges(client) };
  } finally {
    for (const child of started) child.kill('SIGKILL');
    await api.stop();
  }
}

/** Services of five endpoints each, as their controllers write them. */
async function fill(client: Client, count: number): Promise<void> {
  for (const name of ['default', 'kube-system'])
    await client.create(namespaces, { apiVersion: 'v1', kind: 'Namespace', metadata: { name } }).catch(() => undefined);
  const one = async (index: number) => {
    const name = serviceName(index);
    const labels = {
      'kubernetes.io/service-name': name,
      'endpointslice.kubernetes.io/managed-by': 'endpointslice-controller.k8s.io',
    };
    const ports = [{ name: 'http', port: 80, protocol: 'TCP' }];
    await client.create(services, {
      apiVersion: 'v1',
      kind: 'Service',
      metadata: { name, namespace: 'default' },
      spec: { ports },
    });
    const addresses = Array.from({ length: 5 }, (_, each) => `10.${128 + each}.${index >> 8}.${index & 255}`);
    const metadata = { name: `${name}-1`, namespace: 'default', labels };
    await client.create(endpointSlices, {
      apiVersion: 'discovery.k8s.io/v1',
      kind: 'EndpointSlice',
      ...slice(addresses, [['http', 8080]]),
      metadata,
    });
  };
  for (let from = 0; from < count; from += 200)
    await Promise.all(Array.from({ length: Math.min(200, count - from) }, (_, each) => one(from + each)));
}

const serviceName = (index: number) => `service-${index}`;

/** Every fifth, in no order. */
function someNames(count: number): string[] {
  const length = Math.ceil(count / 5);
  return Array.from({ length }, (_, index) => `${serviceName((index * 7919) % count)}.default.svc.cluster.local`);
}

async function echoLoad(started: ChildProcess[], questions: string): Promise<Load> {
  const echo = spawn(process.execPath, [join(import.meta.dirname, 'udp-echo.ts'), String(echoPort)], {
    stdio: 'inherit',
  });
  started.push(echo);
  await untilAnswered(echoPort);
  const result = await load(echo, echoPort, questions);
  echo.kill();
  return result;
}

/** The program of a DNS pod, with a pod's flags and a pod's account. */
async function startDns(api: TestApiServer, client: Client, started: ChildProcess[]): Promise<ChildProcess> {
  const manifests = dnsManifests({ clusterIP: '10.96.0.10', domain: 'cluster.local', image: 'none', replicas: 1 });
  for (const manifest of manifests.slice(0, -2)) {
    const kind = builtinKinds.find((each) => each.kind === manifest.kind);
    if (kind) await client.create(kind, manifest);
  }
  const ref = { namespace: 'kube-system', name: manifests[0]?.metadata?.name ?? '' };
  const request: KubeObject & { spec: object; status?: { token: string } } = {
    apiVersion: 'authentication.k8s.io/v1',
    kind: 'TokenRequest',
    spec: { audiences: [] },
  };
  const { status } = await client.createSubresource(serviceAccounts, ref, 'token', request);
  mkdirSync(account, { recursive: true });
  writeFileSync(join(account, 'token'), status?.token ?? '');
  writeFileSync(join(account, 'ca.crt'), api.ca);
  const args = [...nodeFlags, join(dist, 'dns.js'), '--upstreams=127.0.0.1:9'];
  const env = {
    KUBERNETES_SERVICE_HOST: '127.0.0.1',
    KUBERNETES_SERVICE_PORT: new URL(api.url).port,
    UV_THREADPOOL_SIZE: '1',
  };
  const child = spawn(process.execPath, args, { env, stdio: ['ignore', 'ignore', 'inherit'] });
  started.push(child);
  await untilAnswered(53);
  return child;
}

/** dnsperf's own numbers, and what the server took for them. The first two seconds warm it up. */
async function load(server: ChildProcess, port: number, questions: string): Promise<Load> {
  await dnsperf(port, questions, '-l', '2');
  const before = cpuTicks(server);
  const text = await dnsperf(port, questions, '-l', '5');
  const seconds = (cpuTicks(server) - before) / ticksPerSecond;
  const number = (what: string) => Number(new RegExp(`${what}: +([\\d.]+)`).exec(text)?.[1]);
  const completed = number('Queries completed');
  return {
    perSecond: number('Queries per second'),
    perCpuSecond: completed / seconds,
    lost: number('Queries lost'),
    p99Ms: await percentile(port, questions),
  };
}

async function percentile(port: number, questions: string): Promise<number> {
  const file = `${questions}.answers`;
  const flags = [...dnsperfFlags(port, questions), '-l', '5', '-Q', String(rate), '-v'];
  const out = openSync(file, 'w');
  const child = spawn('dnsperf', flags, { stdio: ['ignore', out, 'inherit'] });
  await once(child, 'close');
  closeSync(out);
  const times = [...readFileSync(file, 'utf8').matchAll(/^> \w+ \S+ \w+ ([\d.]+)$/gm)].map((match) => Number(match[1]));
  times.sort((a, b) => a - b);
  return (times[Math.floor(times.length * 0.99)] ?? Number.NaN) * 1000;
}

const dnsperfFlags = (port: number, questions: string) => [
  '-s',
  '127.0.0.1',
  '-p',
  String(port),
  '-d',
  questions,
  '-c',
  '4',
  '-T',
  '1',
  '-q',
  '100',
];

async function dnsperf(port: number, questions: string, ...more: string[]): Promise<string> {
  const child = spawn('dnsperf', [...dnsperfFlags(port, questions), ...more], { stdio: ['ignore', 'pipe', 'inherit'] });
  let text = '';
  child.stdout.on('data', (data) => {
    text += data;
  });
  await once(child, 'close');
  return text;
}

/** Endpoints of a headless Service change; its name is asked for until the answer has the change. */
async function measureChanges(client: Client): Promise<number[]> {
  const metadata = { name: 'changing', namespace: 'default' };
  await client.create(services, {
    apiVersion: 'v1',
    kind: 'Service',
    metadata,
    spec: { clusterIP: 'None', ports: [{ port: 80 }] },
  });
  const object = (address: string) => ({
    apiVersion: 'discovery.k8s.io/v1',
    kind: 'EndpointSlice',
    ...slice([address]),
    metadata: { ...metadata, labels: { 'kubernetes.io/service-name': 'changing' } },
  });
  await client.create(endpointSlices, object('10.0.0.0'));
  const times: number[] = [];
  for (let round = 1; round <= 100; round++) {
    const began = performance.now();
    await client.update(endpointSlices, object(`10.0.0.${round}`));
    const wanted = Buffer.from([10, 0, 0, round]);
    await waitFor(async () => (await ask(53, 'changing.default.svc.cluster.local')).includes(wanted), {
      what: 'the change',
      timeoutMs: 10_000,
      intervalMs: 0,
    });
    times.push(performance.now() - began);
  }
  return times;
}

function untilAnswered(port: number): Promise<Buffer> {
  return waitFor(() => ask(port, 'dns-version.cluster.local'), { what: `port ${port}`, timeoutMs: 60_000 });
}

async function ask(port: number, name: string): Promise<Buffer> {
  const socket = createSocket('udp4');
  try {
    socket.send(buildQuery(1, knownNameKey(name), Type.A, false), port, '127.0.0.1');
    const [message] = (await once(socket, 'message', { signal: AbortSignal.timeout(1000) })) as [Buffer];
    return message;
  } finally {
    socket.close();
  }
}

function cpuTicks({ pid }: ChildProcess): number {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8')
    .replace(/^.*\) /, '')
    .split(' ');
  return Number(fields[11]) + Number(fields[12]);
}

function proportionalMiB({ pid }: ChildProcess): number {
  return Number(/^Pss: +(\d+) kB/m.exec(readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8'))?.[1]) / 1024;
}

const [scratch = '', count = ''] = process.argv.slice(2);
process.stdout.write(`${JSON.stringify(await main(scratch, Number(count)))}\n`);
