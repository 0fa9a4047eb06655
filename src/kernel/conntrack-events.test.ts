import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseConntrackEvent, parseStanding } from './conntrack-events.ts';

test('a new connection with its translation', () => {
  const line =
    '    [NEW] tcp      6 120 SYN_SENT src=10.244.0.3 dst=10.96.57.116 sport=23456 dport=80 [UNREPLIED] src=10.244.2.3 dst=10.244.0.3 sport=8080 dport=23456 id=2973266941';
  assert.deepEqual(parseConntrackEvent(line), {
    kind: 'new',
    id: 2973266941,
    protocol: 'tcp',
    original: { source: '10.244.0.3', destination: '10.96.57.116', sourcePort: 23456, destinationPort: 80 },
    reply: { source: '10.244.2.3', destination: '10.244.0.3', sourcePort: 8080, destinationPort: 23456 },
  });
});

test('an echo has its id in place of ports', () => {
  const line =
    '[DESTROY] icmp     1 src=10.244.0.3 dst=10.244.1.2 type=8 code=0 id=77 src=10.244.1.2 dst=10.244.0.3 type=0 code=0 id=77 id=4242';
  const event = parseConntrackEvent(line);
  assert.equal(event?.kind, 'destroy');
  assert.equal(event?.original.sourcePort, 77);
  assert.equal(event?.id, 4242);
});

test('other lines are none', () => {
  assert.equal(parseConntrackEvent('conntrack v1.4.7 (conntrack-tools): 3 flow events have been shown.'), undefined);
});

test('a line of the table is a connection that stands', () => {
  const line =
    'tcp      6 431999 ESTABLISHED src=10.244.0.3 dst=10.96.57.116 sport=23456 dport=80 src=10.244.2.3 dst=10.244.0.3 sport=8080 dport=23456 [ASSURED] mark=0 use=1 id=2973266941';
  const connection = parseStanding(line);
  assert.equal(connection?.kind, 'standing');
  assert.equal(connection?.original.destination, '10.96.57.116');
  assert.equal(connection?.reply.source, '10.244.2.3');
  assert.equal(parseStanding('conntrack v1.4.7 (conntrack-tools): 3 flow entries have been shown.'), undefined);
});
