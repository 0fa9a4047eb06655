import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import type { Ingress, Pod } from '../src/api/types.ts';
import { contains, parseCIDR } from '../src/base/cidr.ts';
import { run } from '../src/kernel/run.ts';
import {
  askUdp,
  balancedService,
  type Greeting,
  greet,
  labPods,
  podsReady,
  virtualAddress,
} from './support/balanced.ts';
import { captured } from './support/capture.ts';
import { eventually, startCluster, type TestCluster } from './support/cluster.ts';

const name = 'overlay';
const ingress: Ingress = {
  apiVersion: 'networking.k8s.io/v1',
  kind: 'Ingress',
  metadata: { name: 'direct', annotations: { 'knit.dev/backends': 'pods' } },
  spec: { defaultBackend: { service: { name: 'cluster', port: { name: 'http' } } } },
};
let cluster: TestCluster;
let addresses: Map<string, string>;
let alice: string;

before(async () => {
  cluster = await startCluster(name, ['--pod-network', 'vxlan']);
  alice = cluster.config.clients[0]!.address;
  await cluster.apply(
    ...labPods('web', ['node-1', 'node-2']),
    balancedService('cluster', 'web'),
    balancedService('local', 'web', { externalTrafficPolicy: 'Local' }),
    ingress,
  );
  const pods: Pod[] = await podsReady(cluster, 'web');
  addresses = new Map(pods.map(({ metadata, status }) => [metadata?.name ?? '', status?.podIP ?? '']));
});
after(() => cluster?.down());

test('pods of two nodes see each other untranslated, and the fabric carries nothing but tunnelled packets', async () => {
  let seen: readonly Greeting[] = [];
  const packets = await captured(
    cluster,
    'fabric',
    `udp port 4789 or net ${cluster.config.addresses.podCIDR}`,
    async () => {
      seen = await greet(cluster, 'pod/web-1', addressOf('web-2'), 1);
    },
  );
  assert.equal(seen[0]?.client.split(':')[0], addressOf('web-1'));
  const nodeCIDR = parseCIDR(cluster.config.addresses.nodeCIDR);
  assert.ok(packets.length > 0);
  for (const { source, destination } of packets)
    assert.ok(contains(nodeCIDR, source) && contains(nodeCIDR, destination), `${source} → ${destination}`);
  const routes = await run('ip', ['-n', `knit-${name}.fabric`, 'route']);
  assert.doesNotMatch(routes, new RegExp(`^${addressOf('web-1').replace(/\.\d+$/, '')}\\.`, 'm'));
});

test('packets fit: pods and tunnels leave room for the outer headers', async () => {
  for (const [target, device] of [
    ['pod/web-1', 'eth0'],
    ['node/node-1', 'knit-vxlan'],
  ] as const)
    assert.match(await cluster.knit(['exec', target, '--', 'ip', 'link', 'show', 'dev', device]), /mtu 1450/);
  const body = 'x'.repeat(300_000);
  const post = [
    'exec',
    'pod/web-1',
    '--',
    'curl',
    '-sS',
    '-m',
    '20',
    '--data-binary',
    '@-',
    `http://${addressOf('web-2')}:8080/`,
  ];
  assert.match(await cluster.knit(post, { input: body }), /^pod +web-2/);
});

test('a node reaches pods of another one under its address in the overlay, and is answered through it', async () => {
  const [greeting] = await greet(cluster, 'node/node-3', addressOf('web-2'), 1);
  const vxlan = await cluster.knit(['exec', 'node/node-3', '--', 'ip', '-br', 'addr', 'show', 'dev', 'knit-vxlan']);
  assert.match(vxlan, new RegExp(` ${greeting?.client.split(':')[0]}/32`));
});

test('Services: by virtual IP, by name, with a second hop through the tunnel, and with none', async () => {
  const clusterIP = await cluster.kubectl(['get', 'service', 'cluster', '-o', 'jsonpath={.spec.clusterIP}']);
  for (const target of ['pod/web-1', 'node/node-3'])
    assert.equal(podsOf(await greet(cluster, target, clusterIP, 24)).size, 2, target);
  assert.match(
    await cluster.kubectl(['exec', 'web-1', '-c', 'lab', '--', 'wget', '-qO-', 'http://cluster/']),
    /^pod +web-/,
  );
  const any = await greet(cluster, 'client/alice', await virtualAddress(cluster, 'cluster'), 48);
  assert.equal(podsOf(any).size, 2);
  assert.ok(
    any.some(({ client }) => !client.startsWith(`${alice}:`)),
    'some come by another node',
  );
  const local = await greet(cluster, 'client/alice', await virtualAddress(cluster, 'local'), 24);
  assert.equal(podsOf(local).size, 2);
  assert.ok(local.every(({ client }) => client.startsWith(`${alice}:`)));
  const answers = await askUdp(cluster, 'client/alice', await virtualAddress(cluster, 'cluster'), 24);
  assert.ok(!answers.includes('no answer'), answers.join('\n'));
});

test('the Ingress proxy reaches pods as an end of the tunnels', async () => {
  const url = `http://${cluster.config.addresses.ingress}/`;
  const page = await eventually('the Ingress to answer', async () =>
    cluster.knit(['exec', 'client/alice', '--', 'curl', '-sSf', '-m', '5', url]),
  );
  const inside = cluster.config.addresses.nodeCIDR.replace(/\.\d+\/\d+$/, '.2');
  assert.match(page, new RegExp(`client +${inside}:`));
});

test('the API server reaches pods by way of their nodes', async () => {
  assert.match(
    await cluster.kubectl(['get', '--raw', '/api/v1/namespaces/default/pods/web-2:8080/proxy/']),
    /^pod +web-2/,
  );
});

test('a node that is added is reached, and one that is deleted is forgotten', async () => {
  await cluster.knit(['node', 'add', 'node-4']);
  await cluster.apply(...labPods('late', ['node-4']));
  const [pod] = await podsReady(cluster, 'late');
  const [greeting] = await greet(cluster, 'pod/web-1', pod?.status?.podIP ?? '', 1);
  assert.equal(greeting?.client.split(':')[0], addressOf('web-1'));
  await cluster.knit(['node', 'delete', 'node-4']);
  await eventually('its tunnel to be gone', async () => {
    const entries = await run('bridge', ['-n', `knit-${name}.node-1`, 'fdb', 'show', 'dev', 'knit-vxlan']);
    return entries.trim().split('\n').length === 3;
  });
});

function podsOf(greetings: readonly Greeting[]): Set<string> {
  return new Set(greetings.map(({ pod }) => pod));
}

function addressOf(pod: string): string {
  return addresses.get(pod) ?? assert.fail(`no pod ${pod}`);
}
