import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { get, type IncomingMessage } from 'node:http';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import WebSocket from 'ws';
import type { Pod } from '../src/api/types.ts';
import type { AccessEntry } from '../src/edge/ingress/access-log.ts';
import { processesIn } from '../src/kernel/cgroup.ts';
import { run } from '../src/kernel/run.ts';
import { eventually, startCluster, type TestCluster } from './support/cluster.ts';
import { type AskOptions, ask as askAt, ingress, webServer } from './support/ingress.ts';
import { commandOf, machineState } from './support/machine.ts';
import { type Load, noneFailed, startLoad } from './support/shop.ts';

const name = 't-l7-faults';
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
  await cluster.kubectl(['rollout', 'status', 'deployment/web', '--timeout=110s']);
  for (const path of ['/nodes', '/pods']) await answers(path);
});

after(async () => {
  await cluster?.down();
  assert.deepEqual(await machineState(name), pristine);
});

const ask = (path: string, options: AskOptions = {}) => askAt(address, 'any.test', path, options);
const answers = (path: string) => eventually(`${path} to answer`, async () => (await ask(path)).status === 200);
const proxies = () => processesIn(`knit/${name}/ingress`).filter((pid) => commandOf(pid).startsWith('haproxy'));

/** The proxy that starts the others. It need not have the least number: these begin anew after the greatest. */
function master(): number | undefined {
  const all = proxies();
  return all.find((pid) => !all.includes(statusOf(pid, 'PPid') ?? pid));
}

async function underLoad(work: () => Promise<void>): Promise<void> {
  const loads: Load[] = [];
  for (const path of ['/nodes', '/pods'])
    loads.push(await startLoad(cluster, 'client/alice', `http://${address}${path}`));
  try {
    await work();
  } finally {
    for (const load of loads) await noneFailed(load, 100);
  }
}

test('a rolling update and a drained node fail no request, by node ports or straight to pods', async () => {
  await underLoad(async () => {
    await cluster.kubectl(['set', 'env', 'deployment/web', 'VERSION=2']);
    await cluster.kubectl(['rollout', 'status', 'deployment/web', '--timeout=90s']);
    await cluster.kubectl(['drain', 'node-2', '--ignore-daemonsets', '--delete-emptydir-data', '--timeout=110s']);
  });
  await cluster.kubectl(['uncordon', 'node-2']);
});

test('new backends, hosts and a scaled Service fail no request, and end no WebSocket', async () => {
  const socket = new WebSocket(`ws://${address}/pods`, { headers: { host: 'any.test' } });
  const [[upgrade]] = await Promise.all([once(socket, 'upgrade'), once(socket, 'open')]);
  // A pod that goes ends it after its grace period: this one is to be the last to go.
  const cost = 'controller.kubernetes.io/pod-deletion-cost=1';
  await cluster.kubectl(['annotate', 'pod', (upgrade as IncomingMessage).headers['x-pod'] as string, cost]);
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
      await cluster.kubectl(['rollout', 'status', 'deployment/web', '--timeout=110s']);
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
  for (const pid of proxies()) {
    try {
      process.kill(pid, 'SIGKILL');
    } catch {
      // it ended with the one that started it
    }
  }
  await cluster.apply(ingress('meanwhile', { 'meanwhile.test': [{ service: 'web' }] }));
  await answers('/nodes');
  await answers('/pods');
  await eventually('the new host', async () => (await askAt(address, 'meanwhile.test')).status === 200);
  assert.ok(!proxies().includes(first));
  // Its log goes on behind what the one before has written.
  await eventually('the new host in the access log', async () => (await logged(1))[0]?.host === 'meanwhile.test');
});

test('while the server is away the proxy serves on, and the next one takes it over', async () => {
  const isServer = (pid: number) => commandOf(pid).includes('server.js');
  const servers = () => processesIn(`knit/${name}/server`).filter(isServer);
  const before = master() ?? assert.fail('no proxy');
  await underLoad(async () => {
    const [killed = 0] = servers();
    process.kill(killed, 'SIGKILL');
    await eventually('another server', async () => servers().some((pid) => pid !== killed));
    await eventually('changes to be taken again', () =>
      cluster.apply(ingress('after', { 'after.test': [{ service: 'web' }] })).catch(() => undefined),
    );
    await eventually('the new host', async () => (await askAt(address, 'after.test')).status === 200);
  });
  assert.equal(master(), before, 'the same process');
});

test('while the agents of all nodes are killed, one after the other, no request fails, and no WebSocket ends', async () => {
  const sockets = await openWebSockets(6);
  await underLoad(async () => {
    for (const { name: node } of cluster.config.nodes) {
      const agent = () =>
        processesIn(`knit/${name}/nodes/${node}/system`).find((pid) => commandOf(pid).includes('agent.js'));
      const killed = agent() ?? assert.fail(`no agent on ${node}`);
      process.kill(killed, 'SIGKILL');
      await eventually(`${node} to be healthy again`, async () => {
        const healthz = ['exec', `node/${node}`, '--', 'curl', '-sf', '-m', '1', 'http://127.0.0.1:10256/healthz'];
        return agent() !== killed && (await cluster.tryKnit(healthz)).code === 0;
      });
    }
  });
  assert.deepEqual(new Set(await Promise.all(sockets.map(echoes))), new Set(['echo']));
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

test('a node that dies is given up in two seconds, with what it was asked: what may be repeated is answered elsewhere', async () => {
  const node = await nodeWithSomePods();
  const sockets = await openWebSockets(6);
  const timed = async (path: string, method: string) => {
    // Answered long after the node died, however long it takes until then.
    const { status } = await ask(`${path}?wait=10000`, { method });
    return { status, atMs: performance.now() };
  };
  const of = (method: string) => ['/nodes', '/pods'].flatMap((path) => twelve(() => timed(path, method)));
  const [repeatable, others] = [of('GET'), of('POST')];
  await eventually('all to be asked', async () => (await connections()) >= 48 + sockets.length);
  const steady = askSteadily(6000);
  await eventually('some to be answered', async () => (await steadyOnes()).length > 20);
  const [diedAt, died] = [performance.now(), Date.now()];
  await run('ip', ['-n', `knit-${name}.${node}`, 'link', 'set', 'eth0', 'down']);
  await cluster.knit(['node', 'stop', node]);

  const [got, posted] = [await Promise.all(repeatable), await Promise.all(others)];
  assert.deepEqual(new Set(got.map(({ status }) => status)), new Set([200]));
  assert.deepEqual(new Set(posted.map(({ status }) => status)), new Set([200, 502]));
  const failedMs = posted.filter(({ status }) => status === 502).map(({ atMs }) => atMs - diedAt);
  assert.ok(Math.max(...failedMs) < 4000, `${failedMs}`);
  const spoke = await Promise.all(sockets.map(echoes));
  assert.deepEqual(new Set(spoke), new Set(['echo', 'closed']));

  assert.deepEqual(new Set(await steady), new Set([200]));
  const asked = await steadyOnes();
  const before = asked.filter(({ time }) => Date.parse(time) < died);
  // As slow as the machine is now.
  const twoSecondsMs = 2000 + 5 * Math.max(...before.map(({ ms }) => ms.total));
  assert.ok(
    asked.some(({ retries }) => retries > 0),
    'some were led to the dead node',
  );
  // A try at a dead pod takes 0.2 s, and through node ports there may be several.
  const slow = asked.filter(({ ms, retries }) => ms.total > twoSecondsMs + retries * 200);
  assert.deepEqual(slow, [], `slower than ${twoSecondsMs} ms`);
  const late = asked.filter(({ time, ms }) => Date.parse(time) - ms.total > died + twoSecondsMs);
  const straight = late.filter(({ path }) => path.startsWith('/pods'));
  assert.deepEqual(
    straight.filter((each) => each.node === node || each.retries > 0),
    [],
  );
  await manyAskItsPod(node);
  await cluster.knit(['node', 'start', node]);
  await answers('/nodes');
});

/** All of two hundred at a time are told that nobody is there: the kernel's own limits of such messages would hold. */
async function manyAskItsPod(dead: string): Promise<void> {
  const { items } = await cluster.get<{ items: Pod[] }>('pods', '-l', 'app=web');
  const pod = items.find(({ spec }) => spec?.nodeName === dead)?.status?.podIP ?? '';
  const other = cluster.config.nodes.find((node) => node.name !== dead)?.name;
  const script = `for (let i = 0; i < 200; i++) net.connect(8080, '${pod}').on('error', (error) => console.log(error.code))`;
  const told = await cluster.knit(['exec', `node/${other}`, '--', process.execPath, '-e', script]);
  assert.deepEqual(
    [...Map.groupBy(told.trim().split('\n'), String)].map(([code, all]) => [code, all.length]),
    [['EHOSTUNREACH', 200]],
  );
  const [names = [], values = []] = (
    await run('nsenter', [`--net=/run/netns/knit-${name}.fabric`, 'cat', '/proc/net/snmp'])
  )
    .split('\n')
    .filter((line) => line.startsWith('Icmp: '))
    .map((line) => line.split(' '));
  const limited = names.flatMap((counter, index) => (counter.startsWith('OutRateLimit') ? Number(values[index]) : []));
  assert.ok(
    limited.every((count) => count === 0),
    `${names}\n${values}`,
  );
}

/** Asks both ways every 50 ms, each time on a connection of its own, and tells the answers' codes. */
async function askSteadily(forMs: number): Promise<number[]> {
  const began = performance.now();
  const asked: Promise<number>[] = [];
  while (performance.now() - began < forMs) {
    for (const path of ['/nodes', '/pods']) asked.push(ask(`${path}?steady`).then(({ status }) => status));
    await delay(50); // the pace of the load
  }
  return await Promise.all(asked);
}

/** What the access log has of them. */
async function steadyOnes(): Promise<AccessEntry[]> {
  return (await logged(2000)).filter(({ path }) => path.endsWith('?steady'));
}

/** The last requests of the access log. */
async function logged(count: number): Promise<AccessEntry[]> {
  const text = await cluster.knit(['logs', 'ingress', '-o', 'json', '--tail', String(count)]);
  return text
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line));
}

const twelve = <T>(of: () => T): T[] => Array.from({ length: 12 }, of);

/** A node that has a pod of the Deployment, and not all of them. */
async function nodeWithSomePods(): Promise<string> {
  const { items } = await cluster.get<{ items: Pod[] }>('pods', '-l', 'app=web');
  const nodes = new Set(items.map(({ spec }) => spec?.nodeName ?? ''));
  assert.ok(nodes.size > 1, [...nodes].join());
  return [...nodes][0] ?? '';
}

/** Connections of clients that the proxy has. */
async function connections(): Promise<number> {
  const metrics = await (await fetch(`http://${address}:8404/metrics`)).text();
  return Number(/^haproxy_frontend_current_sessions\{proxy="ingress"\} (\d+)/m.exec(metrics)?.[1]);
}

async function openWebSockets(count: number): Promise<WebSocket[]> {
  const sockets: WebSocket[] = [];
  for (let i = 0; i < count; i++) {
    const socket = new WebSocket(`ws://${address}/pods`, { headers: { host: 'any.test' } });
    await once(socket, 'open');
    sockets.push(socket);
  }
  return sockets;
}

async function echoes(socket: WebSocket): Promise<'echo' | 'closed'> {
  const ended = once(socket, 'close').then(() => 'closed' as const);
  if (socket.readyState !== WebSocket.OPEN) return 'closed';
  socket.send('still there?');
  const heard = await Promise.race([once(socket, 'message').then(() => 'echo' as const), ended]);
  socket.terminate();
  return heard;
}

async function holdConnections(count: number): Promise<ChildProcess> {
  const script = join(import.meta.dirname, 'support/hold-connections.ts');
  const args = ['exec', '--name', name, 'client/alice', '--', process.execPath, script, address, '80', String(count)];
  const child = spawn(join(import.meta.dirname, '../bin/knit'), args, { stdio: ['pipe', 'pipe', 'inherit'] });
  process.once('exit', () => child.stdin.destroy());
  const [said] = await once(child.stdout, 'data');
  assert.equal(String(said).trim(), String(count));
  return child;
}

const residentMB = (pid: number): number => (statusOf(pid, 'VmRSS') ?? 0) / 1024;

/** A number of proc_pid_status(5); undefined where the process has ended. */
function statusOf(pid: number, field: 'PPid' | 'VmRSS'): number | undefined {
  try {
    const [, value] = new RegExp(`^${field}:\\s+(\\d+)`, 'm').exec(readFileSync(`/proc/${pid}/status`, 'utf8')) ?? [];
    return value === undefined ? undefined : Number(value);
  } catch {
    return undefined;
  }
}
