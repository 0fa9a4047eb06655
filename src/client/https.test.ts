import assert from 'node:assert/strict';
import { mkdtemp, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { configMaps } from '../api/resource.ts';
import { KnitError } from '../base/errors.ts';
import { waitFor } from '../base/wait.ts';
import { ApiError } from './client.ts';
import { httpsTransport } from './https.ts';
import { createClient } from './requests.ts';
import { startHttpsServer } from './testing.ts';

test('a request carries method, path, body and token, and its answer is read', async (t) => {
  const server = await startHttpsServer((request, response) => {
    let body = '';
    request.on('data', (chunk) => {
      body += chunk;
    });
    request.on('end', () =>
      response.end(
        JSON.stringify({ method: request.method, url: request.url, body, auth: request.headers.authorization }),
      ),
    );
  });
  t.after(() => server.stop());
  const transport = httpsTransport({ server: `${server.server}/behind`, ca: server.ca, token: 'abc' });
  t.after(() => transport.close());
  const response = await transport.request({ method: 'PUT', path: '/api/v1/x?y=1', body: 'ä' });
  assert.deepEqual(JSON.parse(await response.text()), {
    method: 'PUT',
    url: '/behind/api/v1/x?y=1',
    body: 'ä',
    auth: 'Bearer abc',
  });
});

test('one connection serves many requests', async (t) => {
  const ports = new Set<number | undefined>();
  const server = await startHttpsServer((request, response) => {
    ports.add(request.socket.remotePort);
    response.end('ok');
  });
  t.after(() => server.stop());
  const transport = httpsTransport({ server: server.server, ca: server.ca });
  t.after(() => transport.close());
  for (let i = 0; i < 5; i++) await (await transport.request({ method: 'GET', path: '/' })).text();
  assert.equal(ports.size, 1);
});

test('a server that does not answer is an error that names it', async () => {
  const transport = httpsTransport({ server: 'https://127.0.0.1:1' });
  await assert.rejects(transport.request({ method: 'GET', path: '/' }), (error: unknown) => {
    assert.ok(error instanceof KnitError);
    assert.equal(error.code, 'API_UNREACHABLE');
    assert.match(error.message, /https:\/\/127\.0\.0\.1:1: .*ECONNREFUSED/);
    return true;
  });
});

test('a server with a certificate of another authority is refused', async (t) => {
  const server = await startHttpsServer((_, response) => response.end());
  t.after(() => server.stop());
  const transport = httpsTransport({ server: server.server });
  await assert.rejects(transport.request({ method: 'GET', path: '/' }), /self-signed certificate/);
});

test('a token file that is replaced is read again', async (t) => {
  const server = await startHttpsServer((request, response) => response.end(request.headers.authorization));
  t.after(() => server.stop());
  const directory = await mkdtemp(join(tmpdir(), 'knit-token-'));
  t.after(() => rm(directory, { recursive: true }));
  const tokenFile = join(directory, 'token');
  await writeFile(tokenFile, 'old\n');
  const transport = httpsTransport({ server: server.server, ca: server.ca, tokenFile });
  t.after(() => transport.close());
  const sent = async () => (await transport.request({ method: 'GET', path: '/' })).text();
  assert.equal(await sent(), 'Bearer old');
  await writeFile(`${tokenFile}.new`, 'new\n');
  await rename(`${tokenFile}.new`, tokenFile);
  await waitFor(async () => (await sent()) === 'Bearer new', { what: 'the new token', timeoutMs: 30_000 });
});

test('a refusal is an ApiError with the status of the server', async (t) => {
  const server = await startHttpsServer((_, response) => {
    const status = { kind: 'Status', status: 'Failure', code: 409, reason: 'Conflict', message: 'somebody was faster' };
    response.writeHead(409, { 'content-type': 'application/json' }).end(JSON.stringify(status));
  });
  t.after(() => server.stop());
  const transport = httpsTransport({ server: server.server, ca: server.ca });
  t.after(() => transport.close());
  const update = createClient(transport).update(configMaps, { metadata: { name: 'x', namespace: 'y' } });
  await assert.rejects(update, (error: unknown) => {
    assert.ok(error instanceof ApiError);
    assert.deepEqual([error.code, error.reason, error.message], [409, 'Conflict', 'somebody was faster']);
    return true;
  });
});

test('watch events are cut at lines, wherever the bytes are cut', async (t) => {
  const events = ['ä', 'ö'].map((name) => ({ type: 'ADDED', object: { metadata: { name } } }));
  const bytes = Buffer.from(events.map((event) => `${JSON.stringify(event)}\n`).join(''));
  const server = await startHttpsServer(async (_, response) => {
    for (const byte of bytes) await new Promise<void>((done) => response.write(Buffer.of(byte), () => done()));
    response.end();
  });
  t.after(() => server.stop());
  const transport = httpsTransport({ server: server.server, ca: server.ca });
  t.after(() => transport.close());
  const seen = await Array.fromAsync(createClient(transport).watch(configMaps));
  assert.deepEqual(seen, events);
});

test('an ERROR event of a watch is thrown', async (t) => {
  const server = await startHttpsServer((_, response) =>
    response.end(JSON.stringify({ type: 'ERROR', object: { kind: 'Status', code: 410, reason: 'Expired' } })),
  );
  t.after(() => server.stop());
  const transport = httpsTransport({ server: server.server, ca: server.ca });
  t.after(() => transport.close());
  await assert.rejects(Array.fromAsync(createClient(transport).watch(configMaps)), { code: 410 });
});
