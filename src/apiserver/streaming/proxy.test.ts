import assert from 'node:assert/strict';
import { once } from 'node:events';
import {
  createServer,
  type IncomingMessage,
  type RequestListener,
  request,
  type Server,
  type ServerResponse,
} from 'node:http';
import { connect, createServer as createHttp2Server } from 'node:http2';
import type { AddressInfo } from 'node:net';
import type { Duplex } from 'node:stream';
import { text } from 'node:stream/consumers';
import { after, before, test } from 'node:test';
import { gzipSync } from 'node:zlib';
import { dialUpgrade, UpgradeRefused } from '../../base/upgrade.ts';
import { toStatusError } from '../errors.ts';
import { proxyHttp, splitProxyName } from './http.ts';
import { kubeletLog, proxyStream } from './stream.ts';
import { proxyUpgrade } from './upgrade.ts';

/** The server behind: it answers with what it was asked, or upgrades to a protocol that echoes. */
let backend: Server;
let front: Server;
/** Where `front` sends its requests. */
let target: { scheme: 'http'; host: string; port: number };
const prefix = '/api/v1/namespaces/shop/services/web/proxy';

const portOf = (server: Server) => (server.address() as AddressInfo).port;
async function listen(listener: RequestListener): Promise<Server> {
  const server = createServer(listener).listen(0, '127.0.0.1');
  await once(server, 'listening');
  return server;
}

/** A page with links of all kinds, gzipped where the client takes that. */
function sendPage({ headers }: IncomingMessage, res: ServerResponse): void {
  const page = [
    `<!doctype html><title>a > b</title><a href="/a?b=c&amp;d" class=x>a</a><A HREF='b.html'>b</A>`,
    `<img src="http://${headers.host}/c.png"><img src="https://example.com/d.png"><constructor href="/e"><p title="/e">/e</p>`,
    `<link href="${prefix}/f"><script>const g = '<a href="/g">';</script>`,
  ].join('\n');
  const zip = headers['accept-encoding'] === 'gzip';
  const body = zip ? gzipSync(page) : Buffer.from(page);
  const coding = zip ? { 'Content-Encoding': 'gzip' } : {};
  res.writeHead(200, { 'Content-Type': 'text/html; charset=utf-8', 'Content-Length': body.length, ...coding });
  res.end(body);
}

before(async () => {
  backend = await listen(async (req, res) => {
    if (req.url === '/missing') return res.writeHead(404).end('pod "x" does not exist');
    if (req.url === '/broken') return res.writeHead(500).end('the disk is gone\n');
    if (req.url === '/moved') return res.writeHead(302, { Location: '/elsewhere?a=b' }).end();
    if (req.url === '/page') return sendPage(req, res);
    if (req.url === '/endless') return void res.write('more');
    res.setHeader('Set-Cookie', ['a=1', 'b=2']);
    res.end(JSON.stringify({ method: req.method, url: req.url, headers: req.headers, body: await text(req) }));
  });
  backend.on('upgrade', (req: IncomingMessage, socket: Duplex) => {
    if (req.url === '/no') return socket.end('HTTP/1.1 500 Oops\r\nContent-Length: 4\r\n\r\nnope');
    const credentials = req.headers.authorization ?? 'none';
    socket.write('HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n');
    socket.write(`${credentials} ${req.headersDistinct['x-version']?.join()} `);
    socket.pipe(socket);
  });
  target = { scheme: 'http', host: '127.0.0.1', port: portOf(backend) };
  front = await listen((req, res) => {
    const port = req.url === '/gone' ? 1 : target.port;
    proxyHttp({ req, res, prefix, target: { ...target, port, path: req.url ?? '/' } }).catch((error: unknown) => {
      const { code, status } = toStatusError(error);
      res.writeHead(code).end(JSON.stringify(status));
    });
  });
  front.on('upgrade', (req: IncomingMessage, socket: Duplex, head: Buffer) => {
    const port = req.url === '/nobody' ? 1 : target.port;
    void proxyUpgrade({ req, socket, head, target: { ...target, port, path: req.url ?? '/' } });
  });
});
after(() => {
  for (const server of [front, backend]) {
    server.close();
    server.closeAllConnections();
  }
});

const dial = (path: string) =>
  dialUpgrade({
    ...{ protocol: 'http:', host: '127.0.0.1', port: portOf(front), path, method: 'POST', timeoutMs: 30_000 },
    headers: ['Connection', 'Upgrade', 'Upgrade', 'echo', 'X-Version', 'v5', 'X-Version', 'v4', 'Authorization', 'me'],
  });

test('an upgraded connection carries bytes both ways, and the end of each', async () => {
  const { socket, head } = await dial('/yes');
  socket.unshift(head);
  socket.end('hello');
  // The credentials stayed behind, the header that came twice came through twice.
  assert.equal(await text(socket), 'none v5,v4 hello');
});

test('what the other side refuses, and that nobody is there, is a Status', async () => {
  const refused = (message: RegExp) => (error: unknown) => {
    assert.ok(error instanceof UpgradeRefused);
    const status = JSON.parse(error.body);
    assert.equal(error.statusCode, 500);
    assert.equal(status.kind, 'Status');
    assert.match(status.message, message);
    return true;
  };
  await assert.rejects(dial('/no'), refused(/^Internal error occurred: unable to upgrade connection: nope$/));
  await assert.rejects(dial('/nobody'), refused(/^error dialing backend: connect ECONNREFUSED/));
});

test('a request through a proxy keeps its method, path, body and headers, and loses its credentials', async () => {
  const call = request({ host: '127.0.0.1', port: portOf(front), path: '/a?b=c', method: 'PUT' });
  call.setHeader('Authorization', 'Bearer secret');
  call.setHeader('X-Mine', 'yes');
  call.end('body');
  const [response] = (await once(call, 'response')) as [IncomingMessage];
  const seen = JSON.parse(await text(response));
  assert.deepEqual([seen.method, seen.url, seen.body], ['PUT', '/a?b=c', 'body']);
  assert.equal(seen.headers.authorization, undefined);
  assert.equal(seen.headers['x-mine'], 'yes');
  assert.equal(seen.headers['x-forwarded-uri'], `${prefix}/a`);
  assert.deepEqual(response.headers['set-cookie'], ['a=1', 'b=2']);
});

test('a request over HTTP/2 reaches a server that speaks HTTP/1.1', async (t) => {
  const both = createHttp2Server((req, res) => {
    const target2 = { ...target, path: req.url };
    void proxyHttp({ req: req as never, res: res as never, prefix, target: target2 });
  }).listen(0, '127.0.0.1');
  await once(both, 'listening');
  const session = connect(`http://127.0.0.1:${(both.address() as AddressInfo).port}`);
  t.after(() => {
    session.destroy();
    both.close();
  });
  const call = session.request({ ':method': 'POST', ':path': '/a?b=c', 'x-mine': 'yes' });
  call.end('body');
  const [headers] = await once(call, 'response');
  const seen = JSON.parse(await text(call));
  assert.deepEqual([seen.method, seen.url, seen.body, seen.headers['x-mine']], ['POST', '/a?b=c', 'body', 'yes']);
  assert.match(seen.headers['x-forwarded-host'], /^127\.0\.0\.1:/);
  assert.deepEqual(headers['set-cookie'], ['a=1', 'b=2']);
  const gone = session.request({ ':path': '/endless' });
  await once(gone, 'data');
  gone.close();
  await once(gone, 'close');
});

test('a server that is not there is an unavailable service', async () => {
  const answer = await fetch(`http://127.0.0.1:${portOf(front)}/gone`);
  const { code, reason, message } = JSON.parse(await answer.text());
  assert.deepEqual([answer.status, code, reason], [503, 503, 'ServiceUnavailable']);
  assert.match(message, /^error trying to reach service: connect ECONNREFUSED/);
});

test('a redirect leads back through the proxy', async () => {
  const answer = await fetch(`http://127.0.0.1:${portOf(front)}/moved`, { redirect: 'manual' });
  assert.equal(answer.headers.get('location'), `${prefix}/elsewhere?a=b`);
});

test('links of a page lead back through the proxy, and all else of it is as it was', async () => {
  const expected = [
    `<!doctype html><title>a > b</title><a href="${prefix}/a?b=c&amp;d" class="x">a</a><A HREF='b.html'>b</A>`,
    `<img src="${prefix}/c.png"><img src="https://example.com/d.png"><constructor href="/e"><p title="/e">/e</p>`,
    `<link href="${prefix}/f"><script>const g = '<a href="/g">';</script>`,
  ].join('\n');
  for (const coding of ['identity', 'gzip']) {
    const headers = { 'Accept-Encoding': coding };
    const answer = await fetch(`http://127.0.0.1:${portOf(front)}/page`, { headers });
    assert.equal(await answer.text(), expected, coding);
    assert.equal(answer.headers.get('content-encoding'), coding === 'gzip' ? 'gzip' : null);
  }
  const head = await fetch(`http://127.0.0.1:${portOf(front)}/page`, { method: 'HEAD' });
  assert.ok(Number(head.headers.get('content-length')) > 0);
});

test('a log that the kubelet does not give is an error in its words', async () => {
  const ask = (path: string, port = target.port) => kubeletLog({ target: { ...target, port, path } });
  await assert.rejects(ask('/missing'), { code: 404, message: 'pod "x" does not exist' });
  await assert.rejects(ask('/broken'), { code: 500, message: 'Internal error occurred: the disk is gone' });
  await assert.rejects(ask('/', 1), { code: 500, message: /^error dialing backend: / });
});

test('a request ends when its client goes away', async () => {
  const gone = new AbortController();
  const answer = await proxyStream({ target: { ...target, path: '/endless' }, signal: gone.signal });
  gone.abort();
  await assert.rejects(text(answer.body));
});

test('names in proxy paths have a scheme and a port where they say so', () => {
  assert.deepEqual(splitProxyName('web', 'service'), { scheme: 'http', name: 'web', port: '' });
  assert.deepEqual(splitProxyName('web:80', 'service'), { scheme: 'http', name: 'web', port: '80' });
  assert.deepEqual(splitProxyName('https:web:', 'pod'), { scheme: 'https', name: 'web', port: '' });
  assert.throws(() => splitProxyName('ftp:web:21', 'pod'), { code: 400, message: 'invalid pod request "ftp:web:21"' });
});
