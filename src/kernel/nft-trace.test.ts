import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type ChainWalk, parseTracedPacket, traceRules, walkReader } from './nft-trace.ts';

const header =
  'packet: iif "veth1" ether saddr aa:98:65:dc:81:9d ether daddr ae:d5:65:2c:67:bb ip saddr 10.244.0.3 ip daddr 10.96.57.116 ip dscp cs0 ip ecn not-ect ip ttl 64 ip id 17501 ip length 60 tcp sport 23456 tcp dport 80 tcp flags == syn tcp window 64240 ';

function read(lines: readonly string[]): ChainWalk[] {
  const walks: ChainWalk[] = [];
  const reader = walkReader((walk) => walks.push(walk));
  for (const line of lines) reader(line);
  return walks;
}

test('a packet in a trace', () => {
  assert.deepEqual(parseTracedPacket(header), {
    in: 'veth1',
    out: undefined,
    source: '10.244.0.3',
    destination: '10.96.57.116',
    sourcePort: 23456,
    destinationPort: 80,
    ttl: 64,
    id: 17501,
    length: 60,
    tcpFlags: 2,
  });
  assert.equal(parseTracedPacket(header.replace('== syn', '== 0x12'))?.tcpFlags, 18);
});

test('a walk is the rules of one base chain and of the chains that it led to, up to its verdict', () => {
  const [walk] = read([
    `trace id 29aa9602 ip knit prerouting ${header}`,
    'trace id 29aa9602 ip knit prerouting rule goto services # handle 42 (verdict goto services)',
    'trace id e511d041 ip knit prerouting rule of another packet # handle 1 (verdict accept)',
    'trace id 29aa9602 ip knit services rule dnat ip to meta priority map @slot # handle 31 (verdict accept)',
  ]);
  assert.equal(walk?.verdict, 'accept');
  assert.deepEqual(walk?.rules, [
    { chain: 'prerouting', text: 'goto services', handle: 42, verdict: 'goto services' },
    { chain: 'services', text: 'dnat ip to meta priority map @slot', handle: 31, verdict: 'accept' },
  ]);
});

test('a chain’s policy ends a walk, and so does the next chain of the same packet', () => {
  const walks = read([
    `trace id 1 ip knit forward ${header}`,
    'trace id 1 ip knit forward policy drop ',
    `trace id 1 ip knit postrouting ${header}`,
    `trace id 1 ip other postrouting ${header}`,
    'trace id 1 ip other postrouting policy accept ',
  ]);
  assert.deepEqual(
    walks.map(({ table, verdict }) => [table, verdict]),
    [
      ['ip knit', 'drop'],
      ['ip knit', undefined],
      ['ip other', 'accept'],
    ],
  );
});

test('a table that goes with its nft chooses the flow, in the families that it has', () => {
  const rules = traceRules({ protocol: 'tcp', ends: [{ address: '10.0.0.1', port: 20_000 }], targets: [] });
  assert.match(rules, /add table ip knit-trace \{ flags owner; \}/);
  assert.doesNotMatch(rules, /ip6/);
});
