import assert from 'node:assert/strict';
import { test } from 'node:test';
import { formatAccessEntry, parseAccessLine } from './access-log.ts';

const line = (more: object = {}) =>
  JSON.stringify({
    began: '1767323044.967',
    client: '198.51.100.2:4000',
    tls: '-',
    status: 200,
    bytes: 90,
    route: 'shop_web_80;shop/web=a.test',
    backend: 'shop_web_80',
    server: 'node-1',
    source: '203.0.113.1:5000',
    retries: '+0',
    ended: '--',
    ms: [1, 0, 2, 30, 33, 33],
    request: 'GET /cart?x=1 HTTP/1.1',
    ...more,
  });

test('a line tells who asked for what, which Ingress and Service it was, and where the time went', () => {
  const entry = parseAccessLine(line());
  assert.deepEqual(JSON.parse(JSON.stringify(entry)), {
    time: '2026-01-02T03:04:05.000Z',
    client: '198.51.100.2:4000',
    method: 'GET',
    host: 'a.test',
    path: '/cart?x=1',
    version: 'HTTP/1.1',
    status: 200,
    bytes: 90,
    ingress: 'shop/web',
    service: 'shop/web:80',
    node: 'node-1',
    source: '203.0.113.1:5000',
    retries: 0,
    ms: { request: 1, connect: 2, response: 30, total: 33 },
  });
  assert.ok(entry);
  assert.equal(
    formatAccessEntry(entry),
    '2026-01-02T03:04:05.000Z 200 GET http://a.test/cart?x=1  198.51.100.2:4000 → shop/web → shop/web:80 → node-1  33 ms (server 30)',
  );
});

test('straight to a pod, the pod is there; of a backend with settings the Service is still told', () => {
  const entry = parseAccessLine(line({ server: 'node-1:web-5d9f', backend: 'shop_web_http_1a2b3c4d' }));
  assert.deepEqual([entry?.node, entry?.pod, entry?.service], ['node-1', 'web-5d9f', 'shop/web:http']);
});

test('the Service is told of a new backend too, which has a spare one’s name at first', () => {
  const entry = parseAccessLine(line({ backend: 'spare-3', route: 'spare-3;shop/new;;;;;shop_new_80=a.test' }));
  assert.deepEqual([entry?.ingress, entry?.service], ['shop/new', 'shop/new:80']);
});

test('a request that nobody served has neither Ingress nor pod', () => {
  const nobody = {
    backend: 'unclaimed',
    route: '-=b.test',
    server: '<NOSRV>',
    source: '-:-',
    ended: 'LR',
    status: 404,
  };
  const entry = parseAccessLine(line(nobody));
  assert.deepEqual(
    [entry?.host, entry?.ingress, entry?.service, entry?.node, entry?.ended],
    ['b.test', undefined, undefined, undefined, 'LR'],
  );
});

test('what clients write cannot break a line, and other lines are none', () => {
  const text = line().replace('/cart?x=1', '/\\"[\\]\\\\');
  assert.equal(parseAccessLine(text)?.path, '/"[]\\');
  const odd = parseAccessLine(line({ route: 'shop_web_80;shop/web=a=b;;;;;;other_web_80' }));
  assert.deepEqual([odd?.host, odd?.service], ['a=b;;;;;;other_web_80', 'shop/web:80']);
  assert.equal(parseAccessLine('Server nodes/a is DOWN'), undefined);
  assert.equal(parseAccessLine(line().slice(0, 200)), undefined);
});
