import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { eventually, startCluster, type TestCluster } from './support/cluster.ts';
import { pod } from './support/journeys.ts';
import { clientInAnswer, sourceOf, storyOf, wayOf } from './support/tracing.ts';

let cluster: TestCluster;

before(async () => {
  cluster = await startCluster('t-trace-vx', ['--nodes', '2', '--pod-network', 'vxlan', '--uplink', 'none']);
  await cluster.apply({ apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'shop' } });
  await eventually('the service account', () => cluster.get('serviceaccount', '-n', 'shop', 'default'));
  await cluster.apply(pod('cart', 'node-1'), pod('web', 'node-2'));
  await cluster.kubectl(['wait', '-n', 'shop', '--for=condition=Ready', 'pod', '--all', '--timeout=60s']);
});
after(() => cluster?.down());

test('4: pod to pod on another node, through a tunnel that takes its bytes of the MTU', async () => {
  const story = await storyOf(cluster, 'pod/shop/cart', 'pod/shop/web');
  assert.equal(wayOf(story.request), 'pod shop/cart > node-1 > node-2 > pod shop/web');
  assert.equal(story.request[1]?.out?.interface, 'knit-vxlan');
  assert.equal(story.summary.mtu, 1450);
  assert.equal(clientInAnswer(story), sourceOf(story.packet));
});
