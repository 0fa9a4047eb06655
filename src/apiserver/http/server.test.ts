import assert from 'node:assert/strict';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { after, before, test } from 'node:test';
import { httpsTransport } from '../../client/https.ts';
import { run } from '../../kernel/run.ts';
import type { Sink } from '../answer.ts';
import { startTestApiServer, type TestApiServer } from '../testing.ts';
import { send } from './response.ts';

/** How long Go's HTTP clients keep an idle connection, in s (`http.DefaultTransport`). */
const GO_IDLE_S = 90;

let api: TestApiServer;
before(async () => {
  api = await startTestApiServer();
});
after(() => api.stop());

test('an idle connection is ended by the client and not by the server, which would meet its next request', async () => {
  const transport = httpsTransport({ server: api.url, ca: api.ca, cert: api.adminCert, key: api.adminKey });
  const { status, headers } = await transport.request({ method: 'GET', path: '/version' });
  const [, seconds] = /timeout=(\d+)/.exec(headers['keep-alive'] ?? '') ?? [];
  assert.equal(status, 200);
  assert.ok(Number(seconds) > GO_IDLE_S, `the server keeps it for ${seconds} s`);
  await transport.close();
});

test('a request’s address may be long: a command stands in it', async () => {
  const transport = httpsTransport({ server: api.url, ca: api.ca, cert: api.adminCert, key: api.adminKey });
  const { status } = await transport.request({ method: 'GET', path: `/version?command=${'a'.repeat(200_000)}` });
  assert.equal(status, 200);
  await transport.close();
});

test('thousands of connections may wait for a server that is busy', async () => {
  const most = Number(readFileSync('/proc/sys/net/core/somaxconn', 'utf8'));
  const [, , backlog] = (await run('ss', ['-ltnH', `sport = :${new URL(api.url).port}`])).split(/\s+/);
  assert.equal(Number(backlog), Math.min(4096, most));
});

test('what a stream still writes when it has ended is nobody’s, and harms nobody', async (t) => {
  const server = createServer((_, res) => {
    const body = (sink: Sink) => {
      setImmediate(() => {
        sink.write(Buffer.from('said'));
        sink.end();
        sink.write(Buffer.from('too late'));
      });
      return () => undefined;
    };
    void send(res, { status: 200, headers: {}, body }, '');
  }).listen(0, '127.0.0.1');
  t.after(() => server.close());
  await once(server, 'listening');
  const answer = await fetch(`http://127.0.0.1:${(server.address() as AddressInfo).port}/`);
  assert.equal(await answer.text(), 'said');
});
