import assert from 'node:assert/strict';
import http from 'node:http';
import http2 from 'node:http2';
import net, { type AddressInfo } from 'node:net';
import { after, before, test } from 'node:test';
import { createCriClient } from '../cri/client.ts';
import { check } from './check.ts';

let server: http.Server;
let port: number;
const seen: http.IncomingHttpHeaders[] = [];
before(async () => {
  server = http.createServer((request, response) => {
    seen.push(request.headers);
    if (request.url === '/slow') return;
    const location = new URL(request.url ?? '', 'http://x').searchParams.get('loc');
    if (location) return response.writeHead(302, { Location: location }).end('elsewhere');
    response.writeHead(request.url === '/moved' ? 302 : request.url === '/ok' ? 200 : 503).end();
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  port = (server.address() as AddressInfo).port;
});
after(() => {
  server.closeAllConnections();
  server.close();
});

const cri = createCriClient('/nonexistent');
const container = () => ({ name: 'c', ports: [{ name: 'web', containerPort: port }] });
const target = () => ({ cri, container: container(), containerId: 'x', podIP: '127.0.0.1' });

test('an HTTP probe succeeds from 200 to 399 and says what else it got', async () => {
  assert.deepEqual(await check({ httpGet: { path: '/ok', port } }, target(), 30_000), { ok: true, message: '' });
  assert.equal((await check({ httpGet: { path: '/moved', port } }, target(), 30_000)).ok, true);
  const failed = await check({ httpGet: { path: '/no', port } }, target(), 30_000);
  assert.deepEqual(failed, { ok: false, message: 'HTTP probe failed with statuscode: 503' });
});

test('a redirect on the same host is followed, one to another host is an answer', async () => {
  const to = async (location: string) =>
    await check({ httpGet: { path: `/redirect?loc=${encodeURIComponent(location)}`, port } }, target(), 30_000);
  assert.equal((await to('/ok')).ok, true);
  assert.deepEqual(await to('/no'), { ok: false, message: 'HTTP probe failed with statuscode: 503' });
  const elsewhere = await to('http://0.0.0.0/');
  assert.equal(elsewhere.ok, true);
  assert.equal(elsewhere.warning, 'Probe terminated redirects, Response body: elsewhere');
  const around = await to('/redirect?loc=%2Fredirect%3Floc%3D%2Fok');
  assert.equal(around.ok, true);
});

test('a port may have a name, and headers are sent', async () => {
  const httpHeaders = [{ name: 'Host', value: 'shop.test' }];
  assert.equal((await check({ httpGet: { path: '/ok', port: 'web', httpHeaders } }, target(), 30_000)).ok, true);
  assert.equal(seen.at(-1)?.host, 'shop.test');
  assert.match(seen.at(-1)?.['user-agent'] ?? '', /^kube-probe\//);
  const unknown = await check({ httpGet: { port: 'other' } }, target(), 30_000);
  assert.equal(unknown.message, 'couldn\'t find port: "other"');
});

test('a server that does not answer in time has failed', async () => {
  const { ok, message } = await check({ httpGet: { path: '/slow', port } }, target(), 50);
  assert.equal(ok, false);
  assert.match(message, /deadline exceeded/);
});

test('a TCP probe succeeds when it connects', async () => {
  assert.equal((await check({ tcpSocket: { port } }, target(), 30_000)).ok, true);
  const free = net.createServer().listen(0, '127.0.0.1');
  await new Promise((resolve) => free.once('listening', resolve));
  const closed = (free.address() as AddressInfo).port;
  await new Promise((resolve) => free.close(resolve));
  const { ok, message } = await check({ tcpSocket: { port: closed } }, target(), 30_000);
  assert.equal(ok, false);
  assert.equal(message, `dial tcp 127.0.0.1:${closed}: connect: connection refused`);
  const page = await check({ httpGet: { path: '/', port: closed } }, target(), 30_000);
  assert.equal(page.message, `Get "http://127.0.0.1:${closed}/": ${message}`);
});

test('a gRPC probe asks the health service, which must say SERVING', async () => {
  const frame = (status: number) => Buffer.from([0, 0, 0, 0, 2, 8, status]);
  const health = http2.createServer();
  health.on('stream', (stream, headers) => {
    assert.equal(headers[':path'], '/grpc.health.v1.Health/Check');
    const asked: Buffer[] = [];
    stream.on('data', (chunk: Buffer) => asked.push(chunk));
    stream.on('end', () => {
      stream.respond({ ':status': 200, 'content-type': 'application/grpc' }, { waitForTrailers: true });
      stream.on('wantTrailers', () => stream.sendTrailers({ 'grpc-status': '0' }));
      stream.end(frame(Buffer.concat(asked).toString().endsWith('cart') ? 1 : 2));
    });
  });
  await new Promise<void>((resolve) => health.listen(0, '127.0.0.1', resolve));
  const { port } = health.address() as AddressInfo;
  assert.equal((await check({ grpc: { port, service: 'cart' } }, target(), 30_000)).ok, true);
  const failed = await check({ grpc: { port } }, target(), 30_000);
  assert.deepEqual(failed, { ok: false, message: 'service unhealthy (responded with "NOT_SERVING")' });
  await new Promise((resolve) => health.close(resolve));
  const away = await check({ grpc: { port } }, target(), 1000);
  const why = `timeout: failed to connect service "127.0.0.1:${port}" within 1s: context deadline exceeded`;
  assert.deepEqual(away, { ok: false, message: why });
});

test('a command that cannot be run has failed, and is not known to have', async () => {
  const { ok, message, isUnknown } = await check({ exec: { command: ['true'] } }, target(), 30_000);
  assert.equal(ok, false);
  assert.equal(isUnknown, true);
  assert.match(message, /^rpc error: code = Unavailable desc = .*ENOENT/);
});
