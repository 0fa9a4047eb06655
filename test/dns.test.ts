import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { after, before, test } from 'node:test';
import type { Event, Pod, Service } from '../src/api/types.ts';
import { serve, slice, type TestServer, zoneOf } from '../src/dns/fixtures.ts';
import { run } from '../src/kernel/run.ts';
import { eventually, startCluster, type TestCluster } from './support/cluster.ts';
import { knitCommand } from './support/knit.ts';

const name = 't-dns';
let cluster: TestCluster;
let corp: TestServer;
let dnsService: string;

before(async () => {
  cluster = await startCluster(name);
  dnsService = cluster.config.addresses.dns;
  // A name server of this machine, which alone knows corp.test.
  const spec = { clusterIP: '192.0.2.7' };
  corp = await serve(zoneOf('corp.test', ['shop'], { 'shop/www': { spec } }), {
    address: cluster.config.addresses.host.host,
  });
  await cluster.apply(
    pod('asker'),
    pod('one', { hostname: 'one', subdomain: 'db' }),
    pod('two', { hostname: 'two', subdomain: 'db' }),
    service('db', { clusterIP: 'None', selector: { part: 'db' }, ports: [{ name: 'sql', port: 5432 }] }),
  );
  await cluster.kubectl(['wait', '--for=condition=Ready', 'pod', '--all', '--timeout=110s']);
});
after(async () => {
  await corp?.stop();
  await cluster.down();
});

function pod(podName: string, of: { hostname?: string; subdomain?: string } = {}) {
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name: podName, labels: { part: of.subdomain ?? 'none' } },
    spec: { ...of, containers: [{ name: 'c', image: 'knit.dev/lab:1', command: ['sleep', '1000'] }] },
  };
}

function service(serviceName: string, spec: Service['spec']) {
  return { apiVersion: 'v1', kind: 'Service', metadata: { name: serviceName, namespace: 'default' }, spec };
}

const digFlags = ['+noall', '+comments', '+answer', '+tries=1', '+time=20'];

/** What `dig` in the pod's network is told: `status` and the answers as `NAME TYPE DATA`, sorted. */
async function ask(question: string, server = dnsService): Promise<string[]> {
  return parseDig(
    await cluster.knit(['exec', 'pod/asker', '--', 'dig', ...digFlags, `@${server}`, ...question.split(' ')]),
  );
}

/** Waits until each replica answers so: each hears of a change by itself, and the Service leads to any of them. */
async function everywhere(what: string, question: string, answer: readonly string[]): Promise<void> {
  await eventually(what, async () => {
    const { items } = await cluster.get<{ items: Pod[] }>('pods', '-n', 'kube-system', '-l', 'k8s-app=kube-dns');
    const servers = items.flatMap(({ status }) => status?.podIP ?? []);
    const answers = await Promise.all(servers.map((server) => ask(question, server)));
    return servers.length > 0 && answers.every((each) => each.join() === answer.join());
  });
}

function parseDig(text: string): string[] {
  const answers = text
    .split('\n')
    .filter((line) => line !== '' && !line.startsWith(';'))
    .map((line) => line.replace(/\.?\s+\d+\s+IN\s+/, ' ').replace(/\s+/g, ' '));
  return [/status: (\w+)/.exec(text)?.[1] ?? 'none', ...answers.sort()];
}

const settings = (data: Record<string, string>) =>
  cluster.apply({
    apiVersion: 'v1',
    kind: 'ConfigMap',
    metadata: { name: 'kube-dns', namespace: 'kube-system' },
    data,
  });

test('a pod is answered for Services, endpoints of headless ones, pods and addresses', async () => {
  const ip = (each: string) => cluster.kubectl(['get', 'pod', each, '-o', 'jsonpath={.status.podIP}']);
  const [one, two] = [await ip('one'), await ip('two')];
  const db = 'db.default.svc.cluster.local';
  const expected = ['NOERROR', ...[`${db} A ${one}`, `${db} A ${two}`].sort()];
  await everywhere('both endpoints', `${db} A`, expected);
  assert.deepEqual(await ask(`two.${db} A`), ['NOERROR', `two.${db} A ${two}`]);
  assert.deepEqual(await ask(`${one.replaceAll('.', '-')}.default.pod.cluster.local A +tcp`), [
    'NOERROR',
    `${one.replaceAll('.', '-')}.default.pod.cluster.local A ${one}`,
  ]);
  const [, ptr] = await ask(`-x ${two}`);
  assert.match(ptr ?? '', new RegExp(`PTR two\\.${db}\\.$`));
});

test('the config map kube-dns leads domains to other name servers, and counts at once', async () => {
  const www = 'www.shop.svc.corp.test';
  assert.equal((await ask(`${www} A`)).length, 1, 'nobody knows it yet');
  const server = `${cluster.config.addresses.host.host}:${corp.port}`;
  await settings({ stubDomains: JSON.stringify({ 'corp.test': [server] }) });
  const told = ['NOERROR', `${www} A 192.0.2.7`];
  await everywhere('the stub domain', `${www} A`, told);
  await settings({ stubDomains: '{"corp.test": ["nonsense"]}' });
  await eventually('the refusal', async () => {
    const logs = await cluster.kubectl(['logs', '-n', 'kube-system', '-l', 'k8s-app=kube-dns', '--tail=-1']);
    return logs.includes('the last good one stays');
  });
  assert.deepEqual(await ask(`${www} A`), told, 'the last good one stays');
});

test('with autopath the first question of a search is the last', async () => {
  const server = `${cluster.config.addresses.host.host}:${corp.port}`;
  const first = 'www.shop.svc.corp.test.default.svc.cluster.local';
  const other = 'kubernetes.default.default.svc.cluster.local';
  assert.deepEqual(await ask(`${first} A`), ['NXDOMAIN']);
  await settings({ stubDomains: JSON.stringify({ 'corp.test': [server] }), autopath: 'true' });
  const found = ['NOERROR', 'www.shop.svc.corp.test A 192.0.2.7', `${first} CNAME www.shop.svc.corp.test.`];
  await everywhere('autopath', `${first} A`, found);
  const answer = (await ask(`${other} A`)).join();
  assert.match(answer, /^NOERROR,kubernetes.* CNAME (kubernetes\.default\.svc\.cluster\.local)\.,\1 A /);
  assert.deepEqual(await ask('nothing.example.invalid.default.svc.cluster.local A'), ['NXDOMAIN']);
});

test('the replicas of DNS follow the cluster, and a wrong config map is told', async () => {
  const scale = (data: Record<string, string>) =>
    cluster.apply({
      apiVersion: 'v1',
      kind: 'ConfigMap',
      metadata: { name: 'kube-dns-autoscaler', namespace: 'kube-system' },
      data,
    });
  const replicas = (count: number) =>
    eventually(`${count} replicas`, async () => {
      const path = 'jsonpath={.spec.replicas}/{.status.readyReplicas}';
      const text = await cluster.kubectl(['get', 'deployment', 'knit-dns', '-n', 'kube-system', '-o', path]);
      return text === `${count}/${count}`;
    });
  await replicas(2);
  await scale({ linear: '{"nodesPerReplica":1}' });
  await replicas(3);
  await cluster.kubectl(['cordon', 'node-3']);
  await replicas(2);
  await scale({ linear: '{"nodesPerReplica":"one"}' });
  await eventually('the event', async () => {
    const { items } = await cluster.get<{ items: Event[] }>('events', '-n', 'kube-system');
    return items.some(
      ({ reason, involvedObject }) => reason === 'InvalidScaling' && involvedObject.kind === 'ConfigMap',
    );
  });
  await cluster.kubectl(['uncordon', 'node-3']);
  await replicas(3);
});

test('knit dns serves the same names by itself, from outside the cluster', async () => {
  const args = ['dns', '--kubeconfig', cluster.kubeconfig, '--address=127.0.0.1', '--lame-duck-ms=6000'];
  const ports = ['port', 'health-port', 'ready-port', 'metrics-port'].map((flag) => `--${flag}=0`);
  const child = spawn(knitCommand, [...args, ...ports, '--upstreams=127.0.0.1:9'], {
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  const ended = once(child, 'exit');
  try {
    const port = await servingPort(child);
    const outside = async (question: string) =>
      parseDig(await run('dig', [...digFlags, '@127.0.0.1', '-p', String(port), ...question.split(' ')]));
    assert.match((await outside('kubernetes.default.svc.cluster.local A')).join(), /^NOERROR,kubernetes.* A /);
    const created = service('late', { clusterIP: 'None', ports: [{ port: 80 }] });
    await cluster.apply(created, {
      apiVersion: 'discovery.k8s.io/v1',
      kind: 'EndpointSlice',
      ...slice(['10.1.2.3']),
      metadata: { name: 'late-1', namespace: 'default', labels: { 'kubernetes.io/service-name': 'late' } },
    });
    const late = 'late.default.svc.cluster.local';
    await eventually('the new name', async () => (await outside(`${late} A`)).join() === `NOERROR,${late} A 10.1.2.3`);
    child.kill('SIGTERM');
    assert.equal((await outside(`${late} A`))[0], 'NOERROR', 'it answers on for a while');
    assert.deepEqual(await ended, [0, null]);
  } finally {
    child.kill('SIGKILL');
  }
});

/** The port that the server's log names when it serves. */
function servingPort(child: ChildProcess): Promise<number> {
  return new Promise((resolve, reject) => {
    let log = '';
    child.stderr?.on('data', (data) => {
      log += data;
      const port = / serving .*port=(\d+)/.exec(log)?.[1];
      if (port) resolve(Number(port));
    });
    child.once('exit', () => reject(new Error(`knit dns ended: ${log}`)));
  });
}
