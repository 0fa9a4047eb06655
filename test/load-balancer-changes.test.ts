import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import type { Service } from '../src/api/types.ts';
import { askUdp, balancedService, greet, labPods, nodesOfNew, podsReady, virtualAddress } from './support/balanced.ts';
import { eventually, startCluster, type TestCluster } from './support/cluster.ts';

/** What Services of type LoadBalancer do when they change: the behaviour of Kubernetes' end-to-end tests (test/e2e/network/loadbalancer.go). */
const healthCheck = { intervalMs: 700, timeoutMs: 3000, healthyThreshold: 2, unhealthyThreshold: 4 };
const scratch = mkdtempSync(join(tmpdir(), 'knit-l4-changes-'));
let cluster: TestCluster;
let alice: string;

before(async () => {
  const file = join(scratch, 'cluster.yaml');
  writeFileSync(
    file,
    JSON.stringify({ apiVersion: 'knit.dev/v1alpha1', kind: 'Cluster', loadBalancer: { healthCheck } }),
  );
  cluster = await startCluster('l4-changes', ['--uplink', 'none', '-f', file]);
  alice = cluster.config.clients[0]!.address;
  await cluster.apply(...labPods('web', ['node-1', 'node-2']));
  await podsReady(cluster, 'web');
});
after(async () => {
  rmSync(scratch, { recursive: true, force: true });
  await cluster?.down();
});

const FINALIZER = 'service.kubernetes.io/load-balancer-cleanup';
const service = (name: string) => cluster.get<Service>('service', name);
const change = (name: string, spec: object) =>
  cluster.kubectl(['patch', 'service', name, '-p', JSON.stringify({ spec })]);

/** What curl ends with: 0 answered, 7 refused, 28 silence. */
async function asked(from: string, address: string): Promise<number> {
  const { code } = await cluster.tryKnit(['exec', from, '--', 'curl', '-s', '-m', '2', `http://${address}/`]);
  return code;
}
const becomes = (from: string, address: string, code: number) =>
  eventually(`${from} to ${address} to end with ${code}`, async () => (await asked(from, address)) === code);

test('the type changes back and forth, and ports with it', async () => {
  await cluster.apply(balancedService('mutable', 'web', { type: 'ClusterIP' }));
  await change('mutable', { type: 'NodePort' });
  const nodePorts = (await service('mutable')).spec?.ports?.map(({ nodePort }) => nodePort);
  await change('mutable', { type: 'LoadBalancer' });
  const address = await virtualAddress(cluster, 'mutable');
  await becomes('client/alice', address, 0);
  const { metadata, spec } = await service('mutable');
  assert.deepEqual(metadata?.finalizers, [FINALIZER]);
  assert.deepEqual(
    spec?.ports?.map(({ nodePort }) => nodePort),
    nodePorts,
    'it keeps its node ports',
  );
  // One node has answered so far, and a datagram to another is sent once.
  await eventually('both protocols to be answered', async () => {
    const answers = await askUdp(cluster, 'client/alice', address, 4, { timeoutMs: 5000 });
    return answers.every((answer) => answer.startsWith('web-'));
  });

  await change('mutable', { ports: [{ name: 'http', port: 80, nodePort: 30999 }] });
  await becomes('client/alice', address, 0);
  await cluster.kubectl([
    ...['patch', 'service', 'mutable', '--type=json', '-p'],
    JSON.stringify([{ op: 'replace', path: '/spec/ports/0/port', value: 81 }]),
  ]);
  await becomes('client/alice', `${address}:81`, 0);
  await becomes('client/alice', `${address}:80`, 7);

  await change('mutable', { selector: { app: 'nobody' } });
  await becomes('client/alice', `${address}:81`, 7);
  await change('mutable', { selector: { app: 'web' } });
  await becomes('client/alice', `${address}:81`, 0);
  assert.equal(await virtualAddress(cluster, 'mutable'), address, 'all that time it kept its address');

  await change('mutable', { type: 'ClusterIP' });
  const left = await eventually('the load balancer to be gone', async () => {
    const now = await service('mutable');
    return now.metadata?.finalizers === undefined && now;
  });
  assert.deepEqual(left.status, { loadBalancer: {} });
  assert.ok(left.spec?.ports?.every(({ nodePort }) => nodePort === undefined));
  await becomes('client/alice', `${address}:81`, 28);
});

test('a Service is gone when its load balancer is, and its address is free', async () => {
  await cluster.apply(balancedService('brief', 'web'));
  const address = await virtualAddress(cluster, 'brief');
  await becomes('client/alice', address, 0);
  await cluster.kubectl(['delete', 'service', 'brief', '--timeout=20s']);
  assert.equal((await cluster.tryKubectl(['get', 'service', 'brief'])).code, 1);
  await becomes('client/alice', address, 28);
  await cluster.apply(balancedService('heir', 'web', { loadBalancerIP: address }));
  await becomes('client/alice', await virtualAddress(cluster, 'heir'), 0);
});

test('node ports are optional, and can be asked for later', async () => {
  await cluster.apply(balancedService('portless', 'web', { allocateLoadBalancerNodePorts: false }));
  const address = await virtualAddress(cluster, 'portless');
  const ports = async () => (await service('portless')).spec?.ports?.map(({ nodePort = 0 }) => nodePort > 0);
  assert.deepEqual(await ports(), [false, false, false]);
  await becomes('client/alice', address, 0);
  await change('portless', { allocateLoadBalancerNodePorts: true });
  assert.deepEqual(await ports(), [true, true, true]);
  await becomes('client/alice', address, 0);
  assert.equal(await virtualAddress(cluster, 'portless'), address);
});

test('source ranges: only who is in them gets through, be it a client or a pod', async () => {
  await cluster.apply(balancedService('ranged', 'web', { loadBalancerSourceRanges: [`${alice}/32`] }));
  const address = await virtualAddress(cluster, 'ranged');
  const pods = await podsReady(cluster, 'web');
  const expect = async (codes: Readonly<Record<string, number>>) => {
    for (const [from, code] of Object.entries(codes)) await becomes(from, address, code);
  };
  await expect({ 'client/alice': 0, 'pod/web-1': 28, 'pod/web-2': 28 });
  await change('ranged', { loadBalancerSourceRanges: [`${pods[0]?.status?.podIP}/32`] });
  await expect({ 'client/alice': 28, 'pod/web-1': 0, 'pod/web-2': 28 });
  await change('ranged', { loadBalancerSourceRanges: null });
  await expect({ 'client/alice': 0, 'pod/web-1': 0, 'pod/web-2': 0 });
});

test('Local: the health check has the port that was asked for, tells of endpoints, and goes with the policy', async () => {
  const healthCheckNodePort = 32_321;
  await cluster.apply(balancedService('checked', 'web', { externalTrafficPolicy: 'Local', healthCheckNodePort }));
  const address = await virtualAddress(cluster, 'checked');
  await becomes('client/alice', address, 0);
  await change('checked', { ports: [{ name: 'http', port: 80, targetPort: 8080 }] });
  assert.equal((await service('checked')).spec?.healthCheckNodePort, healthCheckNodePort);
  const statusOf = async (node: string) => {
    const url = `http://${node}:${healthCheckNodePort}/healthz`;
    const curl = ['curl', '-s', '-m', '2', '-o', '/dev/null', '-w', '%{http_code}', url];
    return (await cluster.tryKnit(['exec', 'client/alice', '--', ...curl])).stdout;
  };
  const nodes = cluster.config.nodes.map(({ outsideAddress }) => outsideAddress);
  const statuses = () => Promise.all(nodes.map(statusOf));
  await eventually('the nodes to tell', async () => (await statuses()).join() === '200,200,503');
  await change('checked', { externalTrafficPolicy: 'Cluster' });
  assert.equal((await service('checked')).spec?.healthCheckNodePort, undefined);
  await eventually('the port to be closed', async () => (await statuses()).join() === '000,000,000');
  await becomes('client/alice', address, 0);
  await change('checked', { externalTrafficPolicy: 'Local' });
  assert.ok((await service('checked')).spec?.healthCheckNodePort, 'and comes again with it');
});

test('a node comes and goes after as many answers, as far apart, as the cluster file says', async () => {
  await cluster.apply(
    ...labPods('timed', ['node-1', 'node-2']),
    balancedService('timed', 'timed', { externalTrafficPolicy: 'Local' }),
  );
  await podsReady(cluster, 'timed');
  const address = await virtualAddress(cluster, 'timed');
  const nodes = (wanted: string) =>
    eventually(`${wanted} to get new connections`, async () => (await nodesOfNew(cluster, address)).join() === wanted);
  await nodes('node-1,node-2');
  for (const [app, wanted, threshold] of [
    ['another', 'node-1', healthCheck.unhealthyThreshold],
    ['timed', 'node-1,node-2', healthCheck.healthyThreshold],
  ] as const) {
    const began = performance.now();
    await cluster.kubectl(['label', 'pod', 'timed-2', `app=${app}`, '--overwrite']);
    await nodes(wanted);
    const tookMs = performance.now() - began;
    // The first of the answers may be to a question of a moment before.
    assert.ok(tookMs > (threshold - 1) * healthCheck.intervalMs - 100, `${wanted} after ${tookMs} ms`);
  }
});

for (const externalTrafficPolicy of ['Cluster', 'Local'] as const)
  test(`${externalTrafficPolicy}: affinity is switched on and off under way`, async () => {
    const name = `affine-${externalTrafficPolicy.toLowerCase()}`;
    await cluster.apply(balancedService(name, 'web', { externalTrafficPolicy }));
    const address = await virtualAddress(cluster, name);
    await becomes('client/alice', address, 0);
    const pods = async () => new Set((await greet(cluster, 'client/alice', address, 40)).map(({ pod }) => pod)).size;
    const seen = (count: number) => eventually(`${count} pods`, async () => (await pods()) === count);
    await seen(2);
    await change(name, { sessionAffinity: 'ClientIP' });
    await seen(1);
    await change(name, { sessionAffinity: 'None' });
    await seen(2);
  });
