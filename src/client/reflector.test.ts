import assert from 'node:assert/strict';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { test } from 'node:test';
import { configMaps } from '../api/resource.ts';
import { createLog } from '../base/log.ts';
import { waitFor } from '../base/wait.ts';
import { httpsTransport } from './https.ts';
import { createInformers } from './informers.ts';
import { createClient } from './requests.ts';
import { selfSigned, startHttpsServer } from './testing.ts';

const log = createLog('test', () => {});
const isWatch = (request: IncomingMessage): boolean => request.url?.includes('watch=true') === true;
const list = (response: ServerResponse, resourceVersion: string, names: readonly string[]) =>
  response.end(
    JSON.stringify({
      metadata: { resourceVersion },
      items: names.map((name) => ({ metadata: { name, resourceVersion } })),
    }),
  );
const line = (event: unknown): string => `${JSON.stringify(event)}\n`;
const versionOf = (request: IncomingMessage) =>
  new URL(request.url ?? '', 'https://x').searchParams.get('resourceVersion');

test('a server that comes up late is found at once', async (t) => {
  const tls = await selfSigned();
  const probe = await startHttpsServer(() => {}, { tls });
  await probe.stop();
  const transport = httpsTransport({ server: probe.server, ca: tls.cert });
  const informers = createInformers(createClient(transport), log);
  const copy = informers.informer(configMaps);
  const started = informers.start();
  // Long enough for several attempts to have failed.
  let failed = 0;
  const early = createClient(transport);
  await waitFor(() => early.raw('GET', '/').catch(() => ++failed > 20), { what: 'failures', timeoutMs: 30_000 });
  const server = await startHttpsServer(
    (request, response) => void (isWatch(request) ? response.flushHeaders() : list(response, '1', ['a'])),
    {
      tls,
      port: probe.port,
    },
  );
  t.after(() => informers.stop().then(transport.close).then(server.stop));
  const since = performance.now();
  await started;
  assert.ok(performance.now() - since < 5_000, `it took ${performance.now() - since} ms`);
  assert.ok(copy.get('a'));
});

test('a watch that ended goes on where it was, bookmarks included', async (t) => {
  const versions: (string | null)[] = [];
  const server = await startHttpsServer((request, response) => {
    if (!isWatch(request)) return void list(response, '5', ['a']);
    versions.push(versionOf(request));
    if (versions.length > 1) return response.flushHeaders();
    response.write(line({ type: 'ADDED', object: { metadata: { name: 'b', resourceVersion: '7' } } }));
    response.end(line({ type: 'BOOKMARK', object: { metadata: { resourceVersion: '9' } } }));
  });
  const transport = httpsTransport({ server: server.server, ca: server.ca });
  const informers = createInformers(createClient(transport), log);
  t.after(() => informers.stop().then(transport.close).then(server.stop));
  const copy = informers.informer(configMaps);
  await informers.start();
  await waitFor(() => versions.length === 2, { what: 'the second watch', timeoutMs: 30_000 });
  assert.deepEqual(versions, ['5', '9']);
  assert.ok(copy.get('b'));
});

test('a version that is too old means to list again, and what is gone is told', async (t) => {
  let lists = 0;
  const server = await startHttpsServer((request, response) => {
    if (!isWatch(request)) return void list(response, String(++lists), lists === 1 ? ['a', 'b'] : ['b', 'c']);
    if (versionOf(request) === '2') return response.flushHeaders();
    response.end(line({ type: 'ERROR', object: { kind: 'Status', code: 410, reason: 'Expired', message: 'too old' } }));
  });
  const transport = httpsTransport({ server: server.server, ca: server.ca });
  const informers = createInformers(createClient(transport), log);
  t.after(() => informers.stop().then(transport.close).then(server.stop));
  const copy = informers.informer(configMaps);
  const seen: string[] = [];
  copy.onChange((object, old) => seen.push(`${object ? '+' : '-'}${(object ?? old)?.metadata?.name}`));
  await informers.start();
  await waitFor(() => lists === 2 && seen.length === 5, { what: 'the second list', timeoutMs: 30_000 });
  assert.deepEqual(seen, ['+a', '+b', '+b', '+c', '-a']);
});

test('what is refused for a while is asked for again', async (t) => {
  let refusals = 3;
  const server = await startHttpsServer((request, response) => {
    if (isWatch(request)) return response.flushHeaders();
    if (refusals-- > 0) return void response.writeHead(403).end('not yet');
    list(response, '1', ['a']);
  });
  const transport = httpsTransport({ server: server.server, ca: server.ca });
  const told: string[] = [];
  const informers = createInformers(
    createClient(transport),
    createLog('test', (entry) => told.push(entry)),
  );
  t.after(() => informers.stop().then(transport.close).then(server.stop));
  informers.informer(configMaps);
  await informers.start();
  assert.equal(told.length, 1);
  assert.match(told[0] ?? '', /configmaps: cannot list or watch error="not yet"/);
});
