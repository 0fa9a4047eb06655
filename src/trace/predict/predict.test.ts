import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Flow, formatPlace, formatTuple, type Hop, type Place, type Tuple, type Way } from '../model.ts';
import { testPod, testPolicy, testService, testWorld } from '../testing/world.ts';
import { predict } from './predict.ts';

const a = testPod('shop/a', 'node-1', '10.244.0.2', { app: 'a' });
const near = testPod('shop/near', 'node-1', '10.244.0.3', { app: 'web' });
const far = testPod('shop/far', 'node-2', '10.244.1.2', { app: 'web' });
const pods = [a, near, far];
const podA: Place = { kind: 'pod', namespace: 'shop', name: 'a', node: 'node-1' };
const node1: Place = { kind: 'node', name: 'node-1' };
const alice: Place = { kind: 'client', name: 'alice' };

const flow = (
  from: Place,
  source: string,
  destination: string,
  destinationPort: number,
  protocol: Tuple['protocol'] = 'tcp',
): Flow => ({
  from,
  packet: { protocol, source, sourcePort: 20_000, destination, destinationPort },
});

const places = (hops: readonly Hop[]) => hops.map(({ place }) => formatPlace(place)).join(' > ');
/** `node-1 dnat 10.244.1.2:8080` */
const events = ({ request }: Way) =>
  request.flatMap(({ place, events: all }) =>
    all.flatMap((event) => ('after' in event ? `${formatPlace(place)} ${event.kind} ${formatTuple(event.after)}` : [])),
  );

test('pods of one node meet on it, pods of two by the fabric, and no address changes', () => {
  const world = testWorld({ pods });
  const here = predict(world, flow(podA, '10.244.0.2', '10.244.0.3', 8080));
  assert.equal(places(here.request), 'pod shop/a > node-1 > pod shop/near');
  const there = predict(world, flow(podA, '10.244.0.2', '10.244.1.2', 8080));
  assert.equal(places(there.request), 'pod shop/a > node-1 > fabric > node-2 > pod shop/far');
  assert.equal(places(there.reply), 'pod shop/far > node-2 > fabric > node-1 > pod shop/a');
  assert.deepEqual([...events(here), ...events(there)], []);
});

test('a Service is translated on the sender’s node, and back there', () => {
  const { service, slice } = testService('shop/web', '10.96.0.9', [near, far]);
  const world = testWorld({ pods, services: [service], endpointSlices: [slice] });
  const way = predict(world, flow(podA, '10.244.0.2', '10.96.0.9', 80), { endpoint: '10.244.1.2:8080' });
  assert.deepEqual(events(way), ['node-1 dnat 10.244.0.2:20000 → 10.244.1.2:8080']);
  const dnat = way.request[1]?.events[0];
  assert.ok(dnat?.kind === 'dnat');
  assert.deepEqual(dnat.cause, { object: 'Service shop/web:http', text: 'endpoint 2 of 2: far (node-2)' });
  const back = way.reply.at(-2)?.events[0];
  assert.ok(back?.kind === 'un-nat');
  assert.equal(formatTuple(back.after), '10.96.0.9:80 → 10.244.0.2:20000');
});

test('an outside client by a node port: 1:1 NAT, DNAT, and SNAT where the endpoint is on another node', () => {
  const { service, slice } = testService('shop/web', '10.96.0.9', [far], {
    type: 'NodePort',
    ports: [{ name: 'http', port: 80, nodePort: 30080 }],
  });
  const world = testWorld({ pods, services: [service], endpointSlices: [slice] });
  const way = predict(world, flow(alice, '198.51.100.2', '198.18.0.11', 30080), { masqueradePort: 61_000 });
  assert.deepEqual(events(way), [
    'fabric dnat 198.51.100.2:20000 → 10.89.0.11:30080',
    'node-1 dnat 198.51.100.2:20000 → 10.244.1.2:8080',
    'node-1 snat 10.89.0.11:61000 → 10.244.1.2:8080',
  ]);
  assert.equal(places(way.reply), 'pod shop/far > node-2 > fabric > node-1 > fabric > client alice');
});

test('a Service without endpoints rejects, a port that it has not too', () => {
  const { service, slice } = testService('shop/web', '10.96.0.9', []);
  const world = testWorld({ pods, services: [service], endpointSlices: [slice] });
  for (const [port, text] of [
    [80, 'it has no ready endpoint'],
    [81, 'it has no tcp port 81'],
  ] as const) {
    const { end } = predict(world, flow(podA, '10.244.0.2', '10.96.0.9', port));
    assert.ok(end.kind === 'rejected');
    assert.equal(end.cause.text, text);
  }
});

test('a policy drops on the node of the pod that it isolates', () => {
  const policy = testPolicy('shop/deny', { podSelector: { matchLabels: { app: 'web' } }, policyTypes: ['Ingress'] });
  const world = testWorld({ pods, networkPolicies: [policy] });
  const { end } = predict(world, flow(podA, '10.244.0.2', '10.244.1.2', 8080));
  assert.ok(end.kind === 'dropped');
  assert.equal(formatPlace(end.place), 'node-2');
  assert.equal(end.cause.object, 'NetworkPolicy shop/deny');
});

test('pods leave the cluster under their node’s address; the fabric drops their own', () => {
  const world = testWorld({ pods });
  const out = predict(world, flow(podA, '10.244.0.2', '198.51.100.2', 80), { masqueradePort: 61_000 });
  assert.deepEqual(events(out), [
    'node-1 snat 10.89.0.11:61000 → 198.51.100.2:80',
    'fabric snat 198.18.0.11:61000 → 198.51.100.2:80',
  ]);
  assert.equal(places(out.reply), 'client alice > fabric > node-1 > pod shop/a');
});

test('inside addresses are unknown outside', () => {
  const world = testWorld({ pods });
  const { end } = predict(world, flow(alice, '198.51.100.2', '10.244.1.2', 8080));
  assert.ok(end.kind === 'dropped');
  assert.equal(end.cause.text, 'inside addresses are unknown outside');
});

test('with an overlay, pods of two nodes meet through the tunnel, and nodes speak from their ends of it', () => {
  const { service, slice } = testService('shop/web', '10.96.0.9', [far], {
    type: 'NodePort',
    ports: [{ name: 'http', port: 80, nodePort: 30080 }],
  });
  const world = testWorld({ pods, services: [service], endpointSlices: [slice] }, { overlay: true, directCIDRs: [] });
  const there = predict(world, flow(podA, '10.244.0.2', '10.244.1.2', 8080));
  assert.equal(places(there.request), 'pod shop/a > node-1 > node-1 > fabric > node-2 > node-2 > pod shop/far');
  assert.equal(there.request[1]?.out?.interface, 'knit-vxlan');
  const tunnelled = there.request.flatMap(({ place, events: all }) =>
    all.flatMap(({ kind }) => (kind.endsWith('capsulated') ? [`${formatPlace(place)} ${kind}`] : [])),
  );
  assert.deepEqual(tunnelled, ['node-1 encapsulated', 'node-2 decapsulated']);
  const carried = there.request[3]?.in;
  assert.deepEqual([carried?.packet.source, carried?.packet.destination], ['10.89.0.11', '10.89.0.12']);
  assert.equal(carried?.inner?.destination, '10.244.1.2');
  assert.equal(places(there.reply), 'pod shop/far > node-2 > node-2 > fabric > node-1 > node-1 > pod shop/a');
  const outside = predict(world, flow(alice, '198.51.100.2', '198.18.0.11', 30080), { masqueradePort: 61_000 });
  assert.equal(events(outside).at(-1), 'node-1 snat 10.244.0.0:61000 → 10.244.1.2:8080');
  assert.equal(
    places(outside.reply),
    'pod shop/far > node-2 > node-2 > fabric > node-1 > node-1 > fabric > client alice',
  );
  const own = predict(world, flow(node1, '10.89.0.11', '10.96.0.9', 80), { masqueradePort: 61_000 });
  assert.equal(events(own).at(-1), 'node-1 snat 10.244.0.0:61000 → 10.244.1.2:8080');
  assert.equal(places(own.reply), 'pod shop/far > node-2 > node-2 > fabric > node-1 > node-1');
});
