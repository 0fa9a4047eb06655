import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type ClientHttp2Session, connect, type OutgoingHttpHeaders } from 'node:http2';
import { createInterface } from 'node:readline';
import { text } from 'node:stream/consumers';
import { after, before, describe, it } from 'node:test';
import { startTestApiServer, type TestApiServer } from '../testing.ts';
import { wireTo } from '../wire.ts';

const CONFIG_MAPS = '/api/v1/namespaces/default/configmaps';

describe('HTTP/2', () => {
  let server: TestApiServer;
  let session: ClientHttp2Session;
  before(async () => {
    server = await startTestApiServer();
    session = connect(server.url, { ca: server.ca, cert: server.adminCert, key: server.adminKey });
    await once(session, 'connect');
  });
  after(async () => {
    session.destroy();
    await server.stop();
  });

  const open = async (method: string, path: string, body?: unknown, headers: OutgoingHttpHeaders = {}) => {
    const type = body === undefined ? {} : { 'content-type': 'application/json' };
    const stream = session.request({ ':method': method, ':path': path, ...type, ...headers });
    stream.end(body === undefined ? undefined : JSON.stringify(body));
    const [answer] = (await once(stream, 'response')) as [Record<string, string | number>];
    return { status: answer[':status'], headers: answer, stream };
  };
  const call = async (...given: Parameters<typeof open>) => {
    const { status, headers, stream } = await open(...given);
    const body = await text(stream);
    return { status, headers, body, json: JSON.parse(body || '{}') };
  };

  it('is spoken with clients that offer it, and HTTP/1.1 with the others', async () => {
    assert.equal(session.alpnProtocol, 'h2');
    const wire = wireTo(server);
    const { status } = await wire.get('/version');
    wire.close();
    assert.equal(status, 200);
  });

  it('carries reads, writes, errors and headers alone, in the name of the certificate', async () => {
    const made = await call('POST', CONFIG_MAPS, { metadata: { name: 'a' }, data: { k: 'v' } });
    assert.equal(made.status, 201, made.body);
    assert.deepEqual((await call('GET', `${CONFIG_MAPS}/a`)).json, made.json);
    const missing = await call('GET', `${CONFIG_MAPS}/nope`);
    assert.deepEqual([missing.status, missing.json.reason], [404, 'NotFound']);
    const head = await call('HEAD', `${CONFIG_MAPS}/a`);
    assert.deepEqual([head.status, head.body], [200, '']);
    assert.equal(Number(head.headers['content-length']), Buffer.byteLength(made.body));
    const big = await call('POST', CONFIG_MAPS, { metadata: { name: 'big' }, data: { k: 'x'.repeat(700_000) } });
    assert.equal(big.status, 201);
    const { body: list } = await call('GET', CONFIG_MAPS, undefined, { 'accept-encoding': 'identity' });
    assert.equal(JSON.parse(list).items.length, 2);
    const wire = wireTo(server);
    const overHttp1 = await wire.get(CONFIG_MAPS);
    wire.close();
    assert.equal(overHttp1.text, list, 'what is sent in chunks arrives whole');
    const tooBig = await call('POST', CONFIG_MAPS, { metadata: { name: 'c' }, data: { k: 'x'.repeat(3_200_000) } });
    assert.equal(tooBig.status, 413);
    const self = await call('POST', '/apis/authentication.k8s.io/v1/selfsubjectreviews', {});
    assert.equal(self.json.status.userInfo.username, 'kubernetes-admin');
  });

  it('carries many watches beside other requests on one connection, until the client ends one', async () => {
    const path = `${CONFIG_MAPS}?watch=1&fieldSelector=metadata.name%3Da`;
    const watches = await Promise.all(Array.from({ length: 200 }, () => open('GET', path)));
    const events = watches.map(({ stream }) => createInterface({ input: stream })[Symbol.asyncIterator]());
    const next = () => Promise.all(events.map(async (lines) => JSON.parse(String((await lines.next()).value))));
    for (const { type } of await next()) assert.equal(type, 'ADDED');
    const patch = { 'content-type': 'application/merge-patch+json' };
    assert.equal((await call('PATCH', `${CONFIG_MAPS}/a`, { data: { k: 'w' } }, patch)).status, 200);
    for (const { object } of await next()) assert.equal(object.data.k, 'w');
    const ended = watches.map(({ stream }) => once(stream, 'close'));
    for (const { stream } of watches) stream.close();
    await Promise.all(ended);
    assert.equal((await call('GET', `${CONFIG_MAPS}/a`)).status, 200);
  });

  it('ends with the server, its watches first', async () => {
    const { stream } = await open('GET', `${CONFIG_MAPS}?watch=1`);
    stream.resume();
    const ends = Promise.all([once(stream, 'end'), once(session, 'close')]);
    await server.stop();
    await ends;
  });
});
