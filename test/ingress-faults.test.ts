import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { get, type IncomingMessage } from 'node:http';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import WebSocket from 'ws';
import { processesIn } from '../src/kernel/cgroup.ts';
import { eventually, startCluster, type TestCluster } from './support/cluster.ts';
import { type AskOptions, ask as askAt, ingress, webServer } from './support/ingress.ts';
import { commandOf, machineState } from './support/machine.ts';
import { type Load, startLoad } from './support/shop.ts';

const name = 't-ingress-faults';
let cluster: TestCluster;
let pristine: string[];
let address: string;

before(async () => {
  pristine = await machineState(name);
  cluster = await startCluster(name);
  address = cluster.config.addresses.ingress;
  await cluster.apply(
    ...webServer('web', { replicas: 3, preStopSeconds: 2 }),
    ingress('nodes', { '': [{ path: '/nodes', service: 'web' }] }),
    ingress('pods', { '': [{ path: '/pods', service: 'web' }] }, { annotations: { backends: 'pods' } }),
  );
  await cluster.kubectl(['rollout', 'status', 'deployment/web', '--timeout=60s']);
  for (const path of ['/nodes', '/pods']) await answers(path);
});

after(async () => {
  await cluster?.down();
  assert.deepEqual(await machineState(name), pristine);
});

const ask = (path: string, options: AskOptions = {}) => askAt(address, 'any.test', path, options);
const answers = (path: string) => eventually(`${path} to answer`, async () => (await ask(path)).status === 200);
const proxies = () => processesIn(`knit/${name}/ingress`).filter((pid) => commandOf(pid).startsWith('haproxy'));

async function underLoad(work: () => Promise<void>): Promise<void> {
  const loads: Load[] = [];
  for (const path of ['/nodes', '/pods'])
    loads.push(await startLoad(cluster, 'client/alice', `http://${address}${path}`));
  try {
    await work();
  } finally {
    for (const load of loads) {
      const { requests, failures } = await load.stop();
      assert.deepEqual(failures, []);
      assert.ok(requests > 100, `${requests} requests`);
    }
  }
}

test('a rolling update and a drained node fail no request, by node ports or straight to pods', async () => {
  await underLoad(async () => {
    await cluster.kubectl(['set', 'env', 'deployment/web', 'VERSION=2']);
    await cluster.kubectl(['rollout', 'status', 'deployment/web', '--timeout=90s']);
    await cluster.kubectl(['drain', 'node-2', '--ignore-daemonsets', '--delete-emptydir-data', '--timeout=60s']);
  });
  await cluster.kubectl(['uncordon', 'node-2']);
});

test('new backends, hosts and a scaled Service fail no request, and end no WebSocket', async () => {
  const socket = new WebSocket(`ws://${address}/pods`, { headers: { host: 'any.test' } });
  await once(socket, 'open');
  await underLoad(async () => {
    for (const index of [1, 2, 3]) {
      await cluster.apply(
        {
          apiVersion: 'v1',
          kind: 'Service',
          metadata: { name: `s${index}` },
          spec: { selector: { app: 'web' }, ports: [{ name: 'http', port: 80, targetPort: 8080 }] },
        },
        ingress(`more-${index}`, {
          [`more-${index}.test`]: [{ service: `s${index}` }],
          [`again-${index}.test`]: [{ service: 'web' }],
        }),
      );
      await eventually(`the host ${index}`, async () => (await askAt(address, `more-${index}.test`)).status === 200);
    }
    for (const replicas of [2, 4, 3]) {
      await cluster.kubectl(['scale', 'deployment/web', `--replicas=${replicas}`]);
      await cluster.kubectl(['rollout', 'status', 'deployment/web', '--timeout=60s']);
    }
    for (const index of [1, 2, 3]) await cluster.kubectl(['delete', `ingress/more-${index}`, `service/s${index}`]);
  });
  socket.send('still there');
  assert.equal(String((await once(socket, 'message'))[0]), 'still there');
  socket.terminate();
});

test('a pod that comes and goes fails no request and starts no process', async () => {
  const [steady = '', flapping = ''] = await eventually('those that leave to be gone', async () => {
    const pods = (await cluster.kubectl(['get', 'pods', '-l', 'app=web', '-o', 'name'])).trim().split('\n');
    return pods.length === 3 && pods;
  });
  const selector = { steady: 'yes' };
  const ports = [{ name: 'http', port: 80, targetPort: 8080 }];
  await cluster.kubectl(['label', steady, flapping, 'steady=yes']);
  await cluster.apply(
    { apiVersion: 'v1', kind: 'Service', metadata: { name: 'flap' }, spec: { selector, ports } },
    ingress('flap', { 'flap.test': [{ service: 'flap' }] }, { annotations: { 'timeout-connect': '1s' } }),
  );
  const status = async () => (await askAt(address, 'flap.test')).status;
  await eventually('the host', async () => (await status()) === 200);
  const before = proxies();
  for (const value of ['no', 'yes', 'no', 'yes', 'no', 'yes']) {
    await cluster.kubectl(['label', '--overwrite', flapping, `steady=${value}`]);
    for (let i = 0; i < 20; i++) assert.equal(await status(), 200);
  }
  // One may come: the reload by which new backends get their names.
  const fresh = proxies().filter((pid) => !before.includes(pid));
  assert.ok(fresh.length <= 1, `${fresh.length} new processes`);
});

test('a proxy that is killed comes back with all it had, and with what changed meanwhile', async () => {
  const [first = 0] = proxies();
  for (const pid of proxies()) process.kill(pid, 'SIGKILL');
  await cluster.apply(ingress('meanwhile', { 'meanwhile.test': [{ service: 'web' }] }));
  await answers('/nodes');
  await answers('/pods');
  await eventually('the new host', async () => (await askAt(address, 'meanwhile.test')).status === 200);
  assert.ok(!proxies().includes(first));
});

test('while the server is away the proxy serves on, and the next one takes it over', async () => {
  const isServer = (pid: number) => commandOf(pid).includes('server.js');
  const servers = () => processesIn(`knit/${name}/server`).filter(isServer);
  const [master] = proxies();
  await underLoad(async () => {
    const [killed = 0] = servers();
    process.kill(killed, 'SIGKILL');
    await eventually('another server', async () => servers().some((pid) => pid !== killed));
    await eventually('changes to be taken again', () =>
      cluster.apply(ingress('after', { 'after.test': [{ service: 'web' }] })).catch(() => undefined),
    );
    await eventually('the new host', async () => (await askAt(address, 'after.test')).status === 200);
  });
  assert.ok(proxies().includes(master ?? 0), 'the same process');
});

test('a client that never reads, and 10,000 that never ask, are in nobody’s way', async () => {
  const unread = get({ host: address, path: '/pods?bytes=200000000', headers: { host: 'any.test' }, agent: false });
  const [response] = (await once(unread, 'response')) as [IncomingMessage];
  response.pause();
  const idle = await holdConnections(10_000);
  for (let i = 0; i < 50; i++) assert.equal((await ask('/nodes')).status, 200);
  const resident = proxies().reduce((sum, pid) => sum + residentMB(pid), 0);
  assert.ok(resident < 250, `the proxy has ${resident} MB`);
  unread.destroy();
  idle.stdin?.end();
  await once(idle, 'close');
});

test('a node that dies costs what it had, and nothing that comes after', async () => {
  await cluster.knit(['node', 'stop', 'node-3']);
  const quick = async () => {
    const began = Date.now();
    for (let i = 0; i < 12; i++) assert.equal((await ask('/pods')).status, 200);
    return Date.now() - began < 2000;
  };
  await eventually('nobody to be sent there any more', quick);
  const load = await startLoad(cluster, 'client/alice', `http://${address}/pods`);
  assert.equal(await quick(), true);
  assert.deepEqual((await load.stop()).failures, []);
  await cluster.knit(['node', 'start', 'node-3']);
  await answers('/nodes');
});

async function holdConnections(count: number): Promise<ChildProcess> {
  const script = join(import.meta.dirname, 'support/hold-connections.ts');
  const args = ['exec', '--name', name, 'client/alice', '--', process.execPath, script, address, '80', String(count)];
  const child = spawn(join(import.meta.dirname, '../bin/knit'), args, { stdio: ['pipe', 'pipe', 'inherit'] });
  process.once('exit', () => child.stdin.destroy());
  const [said] = await once(child.stdout, 'data');
  assert.equal(String(said).trim(), String(count));
  return child;
}

function residentMB(pid: number): number {
  return Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1] ?? 0) / 1024;
}
