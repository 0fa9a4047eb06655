import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Flow, formatPlace, formatTuple, type Hop, type Place } from '../model.ts';
import { predict } from '../predict/predict.ts';
import { dropWalk, evidenceOf } from '../testing/evidence.ts';
import { testPod, testPolicy, testService, testWorld } from '../testing/world.ts';
import { join } from './join.ts';

const cart = testPod('shop/cart', 'node-1', '10.244.0.2');
const web = testPod('shop/web', 'node-2', '10.244.1.2');
const { service, slice } = testService('shop/web', '10.96.0.9', [web], {
  type: 'NodePort',
  ports: [{ name: 'http', port: 80, nodePort: 30_080 }],
});
const world = testWorld({ pods: [cart, web], services: [service], endpointSlices: [slice] });
const from: Place = { kind: 'pod', namespace: 'shop', name: 'cart', node: 'node-1' };
const flow: Flow = {
  from,
  packet: { protocol: 'tcp', source: '10.244.0.2', sourcePort: 20_000, destination: '10.96.0.9', destinationPort: 80 },
};
const outside: Flow = {
  from: { kind: 'client', name: 'alice' },
  packet: { ...flow.packet, source: '198.51.100.2', destination: '198.18.0.11', destinationPort: 30_080 },
};
const planned = predict(world, flow);

const events = (hops: readonly Hop[]) =>
  hops.flatMap(({ place, events: all }) => all.map(({ kind }) => `${formatPlace(place)} ${kind}`));

test('what goes as planned has no differences, and the plan’s reasons', () => {
  const joined = join(world, flow, evidenceOf(planned));
  assert.deepEqual(joined?.differences, []);
  assert.ok(joined.complete);
  assert.equal(joined.replyIs, 'accepted');
  assert.deepEqual(events(joined.request), ['pod shop/cart sent', 'node-1 dnat', 'pod shop/web delivered']);
  const dnat = joined.request[1]?.events[0];
  assert.ok(dnat?.kind === 'dnat');
  assert.equal(dnat.cause?.object, 'Service shop/web:http');
});

test('beyond a masquerade the packet is found, whatever port the kernel chose', () => {
  const way = predict(world, outside, { masqueradePort: 61_234 });
  const joined = join(world, outside, evidenceOf(way));
  assert.deepEqual(joined?.differences, []);
  assert.ok(joined.complete && joined.end.kind === 'delivered');
  assert.equal(joined.end.packet.sourcePort, 61_234);
});

test('a source port that the kernel moved, since another connection has it, is told and no difference', () => {
  const joined = join(world, flow, evidenceOf(predict(world, flow, { masqueradePort: 44_786 })));
  assert.deepEqual(joined?.differences, []);
  assert.deepEqual(events(joined.request), [
    'pod shop/cart sent',
    'node-1 dnat',
    'node-1 snat',
    'pod shop/web delivered',
  ]);
  const moved = joined.request[1]?.events[1];
  assert.ok(moved?.kind === 'snat');
  assert.equal(formatTuple(moved.after), '10.244.0.2:44786 → 10.244.1.2:8080');
  assert.equal(moved.cause?.text, 'another connection to this endpoint comes from port 20000');
  assert.equal(
    formatTuple(joined.replyEnd?.kind === 'delivered' ? joined.replyEnd.packet : flow.packet),
    '10.96.0.9:80 → 10.244.0.2:20000',
  );
});

test('addresses that are not the planned ones are a difference, in the place where they came to be', () => {
  const wrong = { ...flow.packet, destination: '10.244.1.99', destinationPort: 8080 };
  const request = planned.request.slice(0, 3).map((hop, index): Hop => {
    const comes = index > 1 && hop.in ? { in: { ...hop.in, packet: wrong } } : {};
    const leaves = index > 0 && hop.out ? { out: { ...hop.out, packet: wrong } } : {};
    return { ...hop, ...comes, ...leaves };
  });
  const joined = join(world, flow, evidenceOf({ request, reply: [] }));
  assert.deepEqual(
    joined?.differences.map(({ place }) => formatPlace(place)),
    ['node-1'],
  );
  assert.match(joined.differences[0]?.seen ?? '', /10\.244\.1\.99:8080/);
});

test('a rule of somebody else that drops is named', () => {
  const request = planned.request
    .slice(0, 2)
    .map(({ out, ...hop }, index): Hop => (index === 0 && out ? { ...hop, out } : hop));
  const node: Place = { kind: 'node', name: 'node-1' };
  const joined = join(
    world,
    flow,
    evidenceOf({ request, reply: [] }, [dropWalk(node, flow.packet, 'tcp dport 80 drop')]),
  );
  assert.ok(joined?.complete && joined.end.kind === 'dropped');
  assert.equal(joined.end.cause.text, 'rule of table ip filter, chain forward: tcp dport 80 drop');
  assert.equal(joined.differences.length, 1);
});

test('while a place has not told yet, the story is not complete', () => {
  const evidence = evidenceOf(planned);
  for (const place of ['node-1', 'fabric', 'node-2', 'pod shop/web']) {
    const seen = evidence.seen.filter((each) => formatPlace(each.place) !== place);
    assert.equal(join(world, flow, { ...evidence, seen })?.complete, false, place);
  }
});

test('packets of other flows are none of its', () => {
  const other: Flow = { from, packet: { ...flow.packet, sourcePort: 20_001 } };
  assert.equal(join(world, other, evidenceOf(planned)), undefined);
});

test('datagrams that are the same but for their ports are told apart where nothing numbers them, as in IPv6', () => {
  const datagram = (sourcePort: number, at: bigint) => {
    const packet = { ...flow.packet, protocol: 'udp' as const, sourcePort, destination: '10.244.1.2' };
    const { request } = predict(world, { from, packet });
    const { seen } = evidenceOf({ request, reply: [] });
    return seen.map((each) => {
      const { tcp: _, id: __, ...bare } = each.packet;
      return { ...each, at: each.at + at, packet: bare };
    });
  };
  const evidence = evidenceOf({ request: [], reply: [] });
  // Twice from one port, once from another, in between each other.
  const seen = [...datagram(20_000, 0n), ...datagram(20_001, 1n), ...datagram(20_000, 2n)];
  const packet = { ...flow.packet, protocol: 'udp' as const, destination: '10.244.1.2' };
  const joined = join(world, { from, packet }, { ...evidence, seen });
  assert.deepEqual(joined?.differences, []);
  assert.deepEqual(
    joined.request.map(({ place }) => formatPlace(place)),
    ['pod shop/cart', 'node-1', 'fabric', 'node-2', 'pod shop/web'],
  );
});

test('what vanished in a node was led to an endpoint for which the node drops it, where nothing else tells', () => {
  const near = testPod('shop/near', 'node-1', '10.244.0.3');
  const spec: typeof service.spec = { type: 'NodePort', ports: [{ name: 'http', port: 80, nodePort: 30_080 }] };
  const both = testService('shop/web', '10.96.0.9', [web, near], spec);
  const networkPolicies = [testPolicy('shop/closed', { podSelector: {}, policyTypes: ['Ingress'] })];
  const closed = testWorld({
    ...{ pods: [cart, web, near], networkPolicies },
    ...{ services: [both.service], endpointSlices: [both.slice] },
  });
  const second = { ...outside, packet: { ...outside.packet, destination: '198.18.0.12' } };
  const joined = join(closed, second, evidenceOf(predict(closed, second, { endpoint: '10.244.1.2:8080' })));
  assert.deepEqual([joined?.differences, joined?.end.kind], [[], 'dropped']);
  assert.ok(joined?.end.kind === 'dropped');
  assert.equal(joined.end.cause.object, 'NetworkPolicy shop/closed');
});
