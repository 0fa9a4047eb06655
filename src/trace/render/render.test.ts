import assert from 'node:assert/strict';
import { test } from 'node:test';
import { join } from '../join/join.ts';
import type { Flow } from '../model.ts';
import { predict } from '../predict/predict.ts';
import type { Report } from '../story.ts';
import { summarize } from '../summary.ts';
import { evidenceOf } from '../testing/evidence.ts';
import { testPod, testService, testWorld } from '../testing/world.ts';
import { formatTime, toJson } from './json.ts';
import { drawMermaid } from './mermaid.ts';
import { toPcapng } from './pcapng.ts';
import { drawTree } from './tree.ts';

const report = reportOfNodePort();

test('the tree: who saw what, and why', () => {
  assert.equal(
    drawTree(report),
    `Service shop/web:http

  1  client alice  eth0                        0 µs  198.51.100.2:20000 → 198.18.0.11:30080
  2  fabric        c-alice → node-1          +10 µs  DNAT 198.18.0.11:30080 → 10.89.0.11:30080   a node’s outside address, 1:1
  3  node-1        eth0                      +10 µs  DNAT 10.89.0.11:30080 → 10.244.1.2:8080     Service shop/web:http: the only endpoint: web (node-2)
                                                     SNAT 198.51.100.2:20000 → 10.89.0.11:61234  the endpoint is not on this node: the reply must come back through it
  4  fabric        node-1 → node-2           +10 µs  routed
  5  node-2        eth0 → link of shop/web   +10 µs  routed
  6  pod shop/web  eth0                      +10 µs  delivered; the server sees 10.89.0.11 (node-1), not client alice
  ↩  client alice  eth0                     +100 µs  accepted through node-2, fabric, node-1     translated back by node-1, fabric: from 198.18.0.11:30080

 2 nodes · 3 translations · client address lost · as predicted
 answer after 190 µs · longest client alice → fabric 10 µs`,
  );
});

test('reasons that do not fit stand below', () => {
  const lines = drawTree(report, { width: 100 }).split('\n');
  assert.ok(lines.every((line) => line.length <= 130));
  assert.ok(lines.some((line) => /^ +Service shop\/web:http: the only endpoint/.test(line)));
});

test('JSON has times since the first packet, and no bytes', () => {
  const text = JSON.stringify(toJson(report));
  const { stories } = JSON.parse(text);
  assert.equal(stories[0].request[0].out.ns, 0);
  assert.equal(stories[0].request[1].in.ns, 10_000);
  assert.doesNotMatch(text, /frame/);
  assert.equal(formatTime(1_700_000_000_000_000_001n), '2023-11-14T22:13:20.000000001Z');
});

test('mermaid: an arrow for each step between places', () => {
  const text = drawMermaid(report);
  assert.match(text, /participant p0 as client alice/);
  assert.match(text, /p0->>p1: 198\.51\.100\.2:20000 → 198\.18\.0\.11:30080/);
  assert.match(text, /Note over p2: SNAT .*<br\/>the endpoint is not on this node/);
});

test('pcapng: blocks of whole words that say their length twice', () => {
  const bytes = toPcapng(report);
  const types: number[] = [];
  for (let at = 0; at < bytes.length; ) {
    const length = bytes.readUInt32LE(at + 4);
    assert.equal(length % 4, 0);
    assert.equal(bytes.readUInt32LE(at + length - 4), length);
    types.push(bytes.readUInt32LE(at));
    at += length;
  }
  assert.equal(types[0], 0x0a0d0d0a);
  assert.equal(types.filter((type) => type === 6).length, report.stories[0]?.packets.length);
  for (const comment of [
    '3. node-1: came in',
    '3. node-1: DNAT',
    '↩ 4. node-1: translated back',
    '1. client alice: sent',
  ])
    assert.ok(bytes.includes(comment), comment);
});

function reportOfNodePort(): Report {
  const web = testPod('shop/web', 'node-2', '10.244.1.2');
  const ports = [{ name: 'http', port: 80, nodePort: 30_080 }];
  const { service, slice } = testService('shop/web', '10.96.0.9', [web], { type: 'NodePort', ports });
  const world = testWorld({ pods: [web], services: [service], endpointSlices: [slice] });
  const packet = {
    protocol: 'tcp',
    source: '198.51.100.2',
    sourcePort: 20_000,
    destination: '198.18.0.11',
    destinationPort: 30_080,
  } as const;
  const flow: Flow = { from: { kind: 'client', name: 'alice' }, packet };
  const evidence = evidenceOf(predict(world, flow, { masqueradePort: 61_234 }));
  const joined = join(world, flow, evidence);
  assert.ok(joined);
  const { complete: _, ...told } = joined;
  const summary = summarize(world, flow, told.request, told.reply, told.end, evidence);
  const title = 'Service shop/web:http';
  return {
    from: flow.from,
    to: 'service/shop/web',
    title,
    stories: [{ from: flow.from, packet, ...told, summary }],
    lost: 0,
  };
}
