import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Place } from './model.ts';
import { parsePlace, parseTarget, sourceAddress, splitPort } from './target.ts';
import { testPod, testService, testWorld } from './testing/world.ts';

const cart = testPod('shop/cart', 'node-1', '10.244.0.2');
const { service, slice } = testService('shop/web', '10.96.0.9', [cart], {
  type: 'NodePort',
  ports: [
    { name: 'http', port: 80, nodePort: 30_080 },
    { name: 'dns', port: 53, protocol: 'UDP' },
  ],
});
const world = testWorld({ pods: [cart], services: [service], endpointSlices: [slice] });
const pod: Place = { kind: 'pod', namespace: 'shop', name: 'cart', node: 'node-1' };
const alice: Place = { kind: 'client', name: 'alice' };
const to = (from: Place, target: string, more = {}) => parseTarget(world, from, { from: '', to: target, ...more });

test('a port may follow a target', () => {
  assert.deepEqual(splitPort('10.0.0.1:80'), { host: '10.0.0.1', port: 80 });
  assert.deepEqual(splitPort('[fd00::1]:80'), { host: 'fd00::1', port: 80 });
  assert.deepEqual(splitPort('fd00::1'), { host: 'fd00::1' });
  assert.deepEqual(splitPort('web.shop'), { host: 'web.shop' });
});

test('who sends: a pod, a container of it, a node, a client', () => {
  assert.deepEqual(parsePlace(world, 'pod/shop/cart'), pod);
  assert.deepEqual(parsePlace(world, 'pod/shop/cart/main'), pod);
  assert.deepEqual(parsePlace(world, 'node/node-2'), { kind: 'node', name: 'node-2' });
  assert.throws(() => parsePlace(world, 'pod/shop/other'), { code: 'TARGET_UNKNOWN', hint: 'there is: cart' });
  assert.throws(() => parsePlace(world, 'pod/shop/cart/side'), { hint: 'it has: main' });
});

test('a Service is its virtual address for pods, and a way in for clients', () => {
  assert.deepEqual([to(pod, 'service/web').host, to(pod, 'service/web').port], ['10.96.0.9', 80]);
  assert.deepEqual([to(alice, 'service/shop/web').host, to(alice, 'service/shop/web').port], ['198.18.0.11', 30_080]);
  assert.equal(to(pod, 'service/web', { protocol: 'udp' }).port, 53);
  assert.equal(to(pod, 'service/web:81').port, 81);
});

test('an address of a Service is told by its name', () => {
  assert.match(to(pod, '10.96.0.9:80').title, /^Service shop\/web:http/);
});

test('of a family, where there is a choice', () => {
  const both = { ...service, spec: { ...service.spec, clusterIPs: ['10.96.0.9', 'fd00:96::9'] } };
  const dual = testWorld({ pods: [cart], services: [both], endpointSlices: [slice] });
  const ask = (target: string, family: 'ipv4' | 'ipv6') =>
    parseTarget(dual, pod, { from: '', to: target, family }).host;
  assert.equal(ask('service/web', 'ipv4'), '10.96.0.9');
  assert.equal(ask('service/web', 'ipv6'), 'fd00:96::9');
  assert.throws(() => ask('10.96.0.9:80', 'ipv6'), { code: 'TARGET_UNKNOWN' });
  assert.equal(parseTarget(dual, pod, { from: '', to: 'web.shop', family: 'ipv6' }).family, 'ipv6');
});

test('a node’s port is told by its Service', () => {
  const target = to(alice, '198.18.0.11:30080');
  assert.match(target.title, /^Service shop\/web:http 198\.18\.0\.11:30080 · NodePort/);
  assert.equal(target.port, 30_080);
});

test('a URL of https is asked by TLS, with the name that it has', () => {
  const target = to(pod, 'https://web.shop/cart?x=1');
  assert.deepEqual([target.host, target.port, target.tls], ['web.shop', 443, { name: 'web.shop' }]);
  assert.match(target.text ?? '', /^GET \/cart\?x=1 HTTP\/1\.1\r\nHost: web\.shop\r\n/);
  assert.deepEqual(to(pod, 'https://10.96.0.9:8443/').tls, {});
});

test('a URL is asked as it is', () => {
  const { host, port, text } = to(pod, 'http://web.shop:8080/a?b');
  assert.deepEqual([host, port], ['web.shop', 8080]);
  assert.match(text ?? '', /^GET \/a\?b HTTP\/1\.1\r\nHost: web\.shop:8080\r\n/);
});

test('where no port can be known, it is asked for', () => {
  assert.throws(() => to(pod, 'node/node-2'), { code: 'PORT_NEEDED' });
});

test('a node speaks to its own pods from its end of their links', () => {
  const node: Place = { kind: 'node', name: 'node-1' };
  assert.equal(sourceAddress(world, node, '10.244.0.2'), '10.244.0.1');
  assert.equal(sourceAddress(world, node, '10.244.1.2'), '10.89.0.11');
  assert.equal(sourceAddress(world, pod, '127.0.0.1'), '127.0.0.1');
});
