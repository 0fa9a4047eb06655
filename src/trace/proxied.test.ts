import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { BackendProtocol } from '../edge/ingress/plan.ts';
import type { Place, Tuple } from './model.ts';
import type { Evidence, Seen } from './observe.ts';
import { requestBehind } from './proxied.ts';

const proxy = '203.0.113.1';
const client: Tuple = {
  protocol: 'tcp',
  source: '198.51.100.2',
  sourcePort: 20_000,
  destination: proxy,
  destinationPort: 443,
};
const server = { name: 'node-1', address: '10.89.0.11', port: 30_443 };
const to = (sourcePort: number): Tuple => ({
  protocol: 'tcp',
  source: proxy,
  sourcePort,
  destination: server.address,
  destinationPort: server.port,
});
const back = (destinationPort: number): Tuple => ({
  protocol: 'tcp',
  source: server.address,
  sourcePort: server.port,
  destination: proxy,
  destinationPort,
});
const servers = (protocol: BackendProtocol) => [{ ...server, protocol }];

let clock = 0n;
function seen(direction: 'in' | 'out', { protocol, ...addresses }: Tuple, payload: string, flags = 'PA'): Seen {
  const place: Place = { kind: 'ingress' };
  const bytes = Buffer.from(payload);
  const tcp = { sequence: 1, acknowledgment: 1, flags, payloadLength: bytes.length };
  const packet = {
    family: 'ipv4' as const,
    protocol: 'tcp' as const,
    ...addresses,
    ttl: 64,
    length: 60,
    tcp,
    payload: bytes,
  };
  return { place, interface: 'eth0', direction, at: ++clock, packet, frame: bytes, length: bytes.length };
}

const evidence = (...packets: Seen[]): Evidence => ({
  seen: packets,
  walks: [],
  connections: [],
  traced: true,
  links: new Map(),
});

test('the request is the packet with the token in it, whatever else the proxy sends meanwhile', () => {
  const all = evidence(
    seen('in', client, 'a client hello'),
    seen('out', to(40_001), 'GET / of somebody else'),
    seen('out', to(40_002), 'GET / with the-token'),
  );
  const found = requestBehind(all, 'the-token', client, servers('http'));
  assert.deepEqual([found?.flow.packet.sourcePort, found?.known, found?.isKept], [40_002, 'read', true]);
});

test('to a backend that speaks TLS it is the first content that leaves when the client has begun', () => {
  const all = evidence(
    seen('out', to(40_001), 'what was said before'),
    seen('in', client, '', 'S'),
    seen('in', client, 'a client hello'),
    seen('out', to(40_002), '', 'S'),
    seen('in', back(40_002), '', 'SA'),
    seen('out', to(40_002), 'a client hello of the proxy’s own'),
  );
  const found = requestBehind(all, 'the-token', client, servers('https'));
  assert.deepEqual([found?.flow.packet.sourcePort, found?.known, found?.isKept], [40_002, 'encrypted', false]);
  assert.equal(requestBehind(all, 'the-token', client, servers('tcp'))?.flow.packet.sourcePort, 40_002);
  assert.equal(requestBehind(all, 'the-token', client, servers('http')), undefined);
});

test('where nothing was said it is the first connection since then that nobody took', () => {
  const all = evidence(
    seen('out', to(40_001), '', 'S'),
    seen('in', client, 'GET /'),
    seen('out', to(40_002), '', 'S'),
    seen('in', back(40_002), '', 'SA'),
    seen('out', to(40_003), '', 'S'),
    seen('out', to(40_003), '', 'S'),
  );
  const found = requestBehind(all, 'the-token', client, servers('http'));
  assert.deepEqual([found?.flow.packet.sourcePort, found?.known, found?.isKept], [40_003, 'fruitless', false]);
  assert.equal(found?.evidence.seen.length, 1, 'the last try');
});
