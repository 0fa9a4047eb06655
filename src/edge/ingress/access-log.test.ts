import assert from 'node:assert/strict';
import { test } from 'node:test';
import { formatAccessEntry, parseAccessLine } from './access-log.ts';

const line = (more: object = {}) => {
  const words = {
    start: 'request',
    began: '1767323044.967',
    client: '198.51.100.2:4000',
    tls: '-',
    status: '200',
    bytes: '90',
    backend: 'shop_web_80',
    server: 'node-1',
    ports: '5000:30080',
    retries: '+0',
    ended: '--',
    ms: '1/2/30/33/33',
    route: 'shop_web_80;shop/web;a.test',
    request: 'GET /cart?x=1 HTTP/1.1',
  };
  return Object.values({ ...words, ...more }).join(' ');
};

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
    sourcePort: 5000,
    serverPort: 30080,
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
  const entry = parseAccessLine(line({ backend: 'spare-3', route: 'spare-3;shop/new;a.test;;;;;shop_new_80' }));
  assert.deepEqual([entry?.ingress, entry?.service], ['shop/new', 'shop/new:80']);
});

test('a request that nobody served has neither Ingress nor pod', () => {
  const nobody = {
    backend: 'unclaimed',
    route: '-=b.test',
    server: '<NOSRV>',
    ports: '0:0',
    ended: 'LR',
    ms: '0/-1/-1/0/0',
    status: '404',
  };
  const entry = parseAccessLine(line(nobody));
  assert.deepEqual(
    [entry?.host, entry?.ingress, entry?.service, entry?.node, entry?.ended],
    ['b.test', undefined, undefined, undefined, 'LR'],
  );
});

test('the host that was asked for is told where the route has another one, or where it was written differently', () => {
  const hostOf = (route: string) => parseAccessLine(line({ route }))?.host;
  assert.equal(hostOf('shop_web_80;shop/web;=c.wild.test'), 'c.wild.test');
  assert.equal(hostOf('shop_web_80;shop/web;a.test=a.test'), 'a.test');
  assert.equal(hostOf('shop_web_80;shop/web;='), '');
});

test('what clients write cannot break a line, and other lines are none', () => {
  const request = 'GET /#22[]\\{}#23#C3#A9 x HTTP/1.1';
  assert.equal(parseAccessLine(line({ request }))?.path, '/"[]\\{}#é');
  assert.equal(parseAccessLine(line({ request: 'GET https://a.test/x?y HTTP/2.0' }))?.path, '/x?y');
  const odd = parseAccessLine(line({ route: '-=a%3Db%20%3B%22' }));
  assert.deepEqual([odd?.host, odd?.ingress], ['a=b ;"', undefined]);
  assert.equal(parseAccessLine(line({ route: '', request: '<BADREQ>' }))?.method, '<BADREQ>');
  assert.equal(parseAccessLine('Server nodes/a is DOWN'), undefined);
  assert.equal(parseAccessLine(line().slice(0, 80)), undefined);
});
