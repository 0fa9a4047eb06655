import assert from 'node:assert/strict';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import type { Node, Pod } from '../src/api/types.ts';
import { eventually, startCluster, type TestCluster } from './support/cluster.ts';
import { pod } from './support/journeys.ts';
import { clientInAnswer, sourceOf, storyOf, traceOf, wayOf } from './support/tracing.ts';

let cluster: TestCluster;

before(async () => {
  cluster = await startCluster('t-trace-vx', [
    '--nodes',
    '2',
    '--pod-network',
    'vxlan',
    '--ip-family',
    'dual',
    '--uplink',
    'none',
  ]);
  await cluster.apply({ apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'shop' } });
  await eventually('the service account', () => cluster.get('serviceaccount', '-n', 'shop', 'default'));
  const headless = { clusterIP: 'None', selector: { app: 'web' } };
  await cluster.apply(pod('cart', 'node-1'), pod('web', 'node-2'), {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name: 'web', namespace: 'shop' },
    spec: headless,
  });
  await cluster.kubectl(['wait', '-n', 'shop', '--for=condition=Ready', 'pod', '--all', '--timeout=110s']);
});
const throughTunnel = 'pod shop/cart > node-1 > node-1 > fabric > node-2 > node-2 > pod shop/web';

after(() => cluster?.down());

test('4: pod to pod on another node, through a tunnel that takes its bytes of the MTU', async () => {
  const story = await storyOf(cluster, 'pod/shop/cart', 'pod/shop/web');
  assert.equal(wayOf(story.request), throughTunnel);
  assert.equal(wayOf(story.reply), throughTunnel.split(' > ').reverse().join(' > '));
  assert.equal(story.request[1]?.out?.interface, 'knit-vxlan');
  assert.equal(story.summary.mtu, 1450);
  assert.equal(clientInAnswer(story), sourceOf(story.packet));
});

test('what the tunnel makes of the packet: the nodes’ addresses outside, its own inside, in both families', async () => {
  const [one, two] = cluster.config.nodes;
  for (const family of ['ipv4', 'ipv6']) {
    const { packet, request } = await storyOf(cluster, 'pod/shop/cart', 'pod/shop/web', '--ip-family', family);
    const [, , encapsulated, fabric, decapsulated] = request;
    assert.equal(encapsulated?.events[0]?.kind, 'encapsulated');
    for (const sighting of [encapsulated?.out, fabric?.in, fabric?.out, decapsulated?.in]) {
      assert.equal(sighting?.packet.source, one?.address);
      assert.equal(sighting?.packet.destination, two?.address);
      assert.equal(sighting?.packet.destinationPort, 4789);
      assert.deepEqual(sighting?.inner, packet);
    }
    assert.equal(decapsulated?.events[0]?.kind, 'decapsulated');
    assert.deepEqual(decapsulated?.out?.packet, packet);
  }
});

test('an MTU that leaves the tunnel no room: what is small arrives, what is large does not, and explain says why', async () => {
  const { status } = await cluster.get<Pod>('pod', '-n', 'shop', 'web');
  const narrow = (mtu: string) => cluster.knit(['exec', 'node/node-2', '--', 'ip', 'link', 'set', 'eth0', 'mtu', mtu]);
  const hears = async (bytes: number) => {
    const ping = [
      join(import.meta.dirname, '../dist/images/busybox'),
      'ping',
      '-c',
      '1',
      '-W',
      '5',
      '-s',
      `${bytes}`,
      status?.podIP ?? '',
    ];
    return (await cluster.tryKnit(['exec', 'pod/shop/cart', '--', ...ping])).code === 0;
  };
  const explained = async () =>
    JSON.parse(await cluster.knit(['explain', 'pod/shop/cart', 'pod/shop/web', '-o', 'json']));
  assert.deepEqual((await explained()).findings, []);
  assert.ok(await hears(1400));
  await narrow('1400');
  try {
    assert.ok(await hears(100));
    assert.equal(await hears(1400), false);
    const { verdict, findings } = await explained();
    assert.deepEqual([verdict, findings.length, findings[0].code], ['allowed', 1, 'NODE_MTU_TOO_LARGE']);
    assert.match(findings[0].message, /^packets of 1450 bytes do not fit .*: there is room for 1350$/);
  } finally {
    await narrow('1500');
  }
});

test('explain names a route into the tunnel that is gone', async () => {
  const { spec } = await cluster.get<Node>('node', 'node-2');
  const route = ['ip', 'route', 'del', spec?.podCIDR ?? ''];
  const onNode = (...command: string[]) => cluster.knit(['exec', 'node/node-1', '--', ...command]);
  const was = (await onNode('ip', 'route', 'show', spec?.podCIDR ?? '')).trim().split(/\s+/);
  await onNode(...route);
  try {
    const { stdout } = await cluster.tryKnit(['explain', 'pod/shop/cart', 'pod/shop/web', '-o', 'json']);
    const { findings } = JSON.parse(stdout);
    assert.deepEqual([findings.length, findings[0].code], [1, 'NODE_ROUTE_MISSING']);
  } finally {
    await onNode('ip', 'route', 'add', ...was);
  }
});

test('through the tunnel also by name, from a node, and as a ping', async () => {
  const { lookup, stories } = await traceOf(cluster, 'pod/shop/cart', 'web.shop', '--port', '8080');
  assert.deepEqual([...(lookup?.story?.differences ?? []), ...(stories[0]?.differences ?? [])], []);
  assert.equal(stories[0]?.end.kind, 'delivered');
  const fromNode = await storyOf(cluster, 'node/node-1', 'pod/shop/web');
  assert.equal(wayOf(fromNode.request), 'node-1 > node-1 > fabric > node-2 > node-2 > pod shop/web');
  const ping = await storyOf(cluster, 'pod/shop/cart', 'pod/shop/web', '--protocol', 'icmp', '--ip-family', 'ipv6');
  assert.deepEqual([wayOf(ping.request), ping.replyIs], [throughTunnel, 'echoed']);
});
