import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ingresses, services } from '../src/api/resource.ts';
import type { Ingress, Service } from '../src/api/types.ts';
import { waitFor } from '../src/base/wait.ts';
import type { Client } from '../src/client/client.ts';
import { type ClusterConfig, contextName, readConfig } from '../src/cluster/config.ts';
import { adminClient } from '../src/cluster/ready.ts';
import { enterNetns } from '../src/kernel/netns.ts';
import { run } from '../src/kernel/run.ts';
import { clientNetns, ingressNetns } from '../src/machine/fabric.ts';
import { atMost, type Benchmark, type Figure, median } from './figures.ts';

const knit = join(import.meta.dirname, '../bin/knit');
const name = 'bench-ingress';
/** Runs of each side, in turn, so that what else the machine does meets both. */
const rounds = 7;
const seconds = 3;
const connections = 50;
const byHandPort = 8081;
const many = { ingresses: 1000, hosts: 5 };
const changes = 9;

export const ingress: Benchmark = {
  name: 'ingress',
  about: 'requests a second through an Ingress against HAProxy alone; changes among 5,000 hosts',
  run: measureIngress,
};

export async function measureIngress(): Promise<Figure[]> {
  await run(knit, ['down', '--name', name]);
  await run(knit, ['up', '--name', name, '--no-kubeconfig', '--nodes', '2'], { timeoutMs: 120_000 });
  const config = readConfig(name);
  const { client, close } = adminClient(config);
  try {
    await startServers(config, client);
    return [...(await throughput(config)), ...(await changesAmongMany(config, client))];
  } finally {
    await close();
    await run(knit, ['down', '--name', name]);
  }
}

/** Pods of a web server that costs little beside the proxy: HAProxy itself, which answers without asking anybody. */
async function startServers(config: ClusterConfig, client: Client): Promise<void> {
  const answer =
    'frontend f\n  mode http\n  timeout client 60s\n  bind :8080\n  http-request return status 200 content-type text/plain string ok';
  const paths = ['/usr/sbin/haproxy', '/usr/lib', ...(process.arch === 'x64' ? ['/usr/lib64'] : [])];
  const pod = {
    metadata: { labels: { app: 'web' } },
    spec: {
      containers: [
        {
          name: 'web',
          image: 'knit.dev/lab:1',
          command: ['sh', '-c', `printf '%s\\n' "$ANSWER" > /tmp/c; exec haproxy -db -f /tmp/c`],
          env: [{ name: 'ANSWER', value: answer }],
          volumeMounts: paths.map((mountPath, index) => ({ name: `v${index}`, mountPath, readOnly: true })),
        },
      ],
      volumes: paths.map((path, index) => ({ name: `v${index}`, hostPath: { path } })),
    },
  };
  const deployment = { apiVersion: 'apps/v1', kind: 'Deployment', metadata: { name: 'web' } };
  const spec = { replicas: 2, selector: { matchLabels: { app: 'web' } }, template: pod };
  const kubectl = (args: string[], input = '') =>
    run(knit, ['kubectl', '--name', name, ...args], { input, timeoutMs: 90_000 });
  await kubectl(['apply', '-f', '-'], JSON.stringify({ ...deployment, spec }));
  await client.create(services, service('web'));
  await client.create(ingresses, route('web', ['bench.test'], 'web'));
  await kubectl(['rollout', 'status', 'deployment/web', '--timeout=80s']);
  await answers(config, 'bench.test', 60_000);
}

function service(serviceName: string): Service {
  const ports = [{ port: 80, targetPort: 8080 }];
  const metadata = { name: serviceName, namespace: 'default' };
  return { metadata, spec: { type: 'NodePort', selector: { app: 'web' }, ports } };
}

function route(ingressName: string, hosts: readonly string[], serviceName: string): Ingress {
  const backend = { service: { name: serviceName, port: { number: 80 } } };
  const http = { paths: [{ path: '/', pathType: 'Prefix', backend }] };
  const metadata = { name: ingressName, namespace: 'default' };
  return { metadata, spec: { rules: hosts.map((host) => ({ host, http })) } };
}

/** The same nodes' ports behind a configuration as a person would write it, in the same namespace, asked in turn. */
async function throughput(config: ClusterConfig): Promise<Figure[]> {
  const { nodePort = 0 } = (await readService(config))?.ports?.[0] ?? {};
  const byHand = await startByHand(config, nodePort);
  try {
    const measured: { ours: number; hand: number }[] = [];
    for (let round = 0; round < rounds; round++) {
      const pair = { ours: 0, hand: 0 };
      const order = round % 2 === 0 ? (['ours', 'hand'] as const) : (['hand', 'ours'] as const);
      for (const side of order) pair[side] = await requestsPerSecond(config, side === 'ours' ? 80 : byHandPort);
      measured.push(pair);
    }
    const ratio = median(measured.map(({ ours, hand }) => ours / hand));
    return [
      {
        what: 'requests through an Ingress, by node ports',
        value: median(measured.map(({ ours }) => ours)),
        unit: '/s',
        against: `HAProxy by hand ${Math.round(median(measured.map(({ hand }) => hand)))}/s`,
        ratio,
        goal: 'at least 0.97',
        met: ratio >= 0.97,
      },
    ];
  } finally {
    await byHand.stop();
  }
}

async function readService(config: ClusterConfig): Promise<Service['spec']> {
  const { client, close } = adminClient(config);
  const found = await client.get(services, { namespace: 'default', name: 'web' });
  await close();
  return found.spec;
}

async function startByHand(config: ClusterConfig, nodePort: number): Promise<{ stop(): Promise<void> }> {
  const folder = mkdtempSync(join(tmpdir(), 'knit-bench-'));
  const file = join(folder, 'haproxy.cfg');
  writeFileSync(file, configByHand(config, nodePort));
  const netns = enterNetns(ingressNetns(contextName(name)));
  const child = spawn('nsenter', [...netns, 'sh', '-c', `exec haproxy -db -f ${file} > ${folder}/log`], {
    stdio: 'ignore',
  });
  const ended = new Promise((resolve) => child.once('close', resolve));
  await answers(config, 'bench.test', 10_000, byHandPort);
  return {
    async stop() {
      child.kill();
      await ended;
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

/** What the Ingress asks for and its access log tells, the host among it, without anything that it does not need. */
function configByHand({ addresses, nodes }: ClusterConfig, nodePort: number): string {
  return `global
  maxconn 5000
defaults
  mode http
  timeout connect 2s
  timeout client 60s
  timeout server 60s
  timeout http-request 15s
  timeout http-keep-alive 60s
  option httplog
  option redispatch
  retry-on conn-failure empty-response
frontend web
  bind ${addresses.ingress}:${byHandPort}
  log stdout format raw local0
  capture request header Host len 128
  http-request disable-l7-retry unless METH_GET
  http-request set-header X-Forwarded-For %[src]
  http-request set-header X-Forwarded-Proto %[ssl_fc,iif(https,http)]
  http-request set-header X-Forwarded-Host %[req.hdr(host)]
  use_backend web if { req.hdr(host),host_only,lower -m str bench.test }
backend web
  option httpchk GET /healthz
${nodes.map((node) => `  server ${node.name} ${node.address}:${nodePort} check port 10256`).join('\n')}
`;
}

async function requestsPerSecond(config: ClusterConfig, port: number): Promise<number> {
  const url = `http://${config.addresses.ingress}:${port}/`;
  const load = ['wrk', '-t', '1', '-c', String(connections), '-d', `${seconds}s`, '-H', 'Host: bench.test', url];
  const client = clientNetns(contextName(name), config.clients[0]?.name ?? '');
  const text = await run('nsenter', [...enterNetns(client), ...load], { timeoutMs: 30_000 });
  if (/Non-2xx/.test(text)) throw new Error(`not all requests were answered: ${text}`);
  return Number(/Requests\/sec:\s+([\d.]+)/.exec(text)?.[1]);
}

/** From the request that changes an object to the first answer that shows it. */
async function changesAmongMany(config: ClusterConfig, client: Client): Promise<Figure[]> {
  const all = Array.from({ length: many.ingresses }, (_, index) => index);
  await inTurn(all, async (index) => {
    const hosts = Array.from({ length: many.hosts }, (_, host) => `h${host}.many-${index}.test`);
    await client.create(services, service(`many-${index}`));
    await client.create(ingresses, route(`many-${index}`, hosts, `many-${index}`));
  });
  await answers(config, `h0.many-${many.ingresses - 1}.test`, 60_000);
  const hosts: number[] = [];
  const backends: number[] = [];
  for (let index = 0; index < changes; index++) {
    hosts.push(
      await visibleAfter(config, `new-host-${index}.test`, async (host) => {
        await client.create(ingresses, route(`new-host-${index}`, [host], 'many-7'));
      }),
    );
    backends.push(
      await visibleAfter(config, `new-service-${index}.test`, async (host) => {
        await client.create(services, service(`new-${index}`));
        await client.create(ingresses, route(`new-service-${index}`, [host], `new-${index}`));
      }),
    );
  }
  const among = `among ${many.ingresses} Ingresses with ${many.ingresses * many.hosts} hosts`;
  return [
    atMost(`a new host is answered, ${among}`, median(hosts), 'ms', 300),
    atMost(`a new Ingress and its Service are answered, ${among}`, median(backends), 'ms', 300),
  ];
}

async function inTurn(all: readonly number[], work: (index: number) => Promise<void>): Promise<void> {
  const waiting = [...all];
  const worker = async () => {
    for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) await work(next);
  };
  await Promise.all(Array.from({ length: 8 }, worker));
}

async function visibleAfter(
  config: ClusterConfig,
  host: string,
  change: (host: string) => Promise<void>,
): Promise<number> {
  const began = performance.now();
  await change(host);
  await answers(config, host, 20_000);
  return performance.now() - began;
}

async function answers(config: ClusterConfig, host: string, timeoutMs: number, port = 80): Promise<void> {
  await waitFor(async () => (await statusOf(config.addresses.ingress, port, host)) === 200, {
    what: `${host} to be answered`,
    timeoutMs,
    intervalMs: 5,
  });
}

async function statusOf(address: string, port: number, host: string): Promise<number | undefined> {
  return await new Promise((resolve, reject) => {
    const asked = request({ host: address, port, headers: { host }, agent: false, timeout: 1000 }, (response) => {
      response.resume();
      resolve(response.statusCode);
    });
    asked.on('timeout', () => asked.destroy(new Error('no answer')));
    asked.on('error', reject);
    asked.end();
  });
}
