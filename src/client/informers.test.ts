import assert from 'node:assert/strict';
import { test } from 'node:test';
import { configMaps, events } from '../api/resource.ts';
import type { ConfigMap } from '../api/types.ts';
import { startTestApiServer, type TestApiServer } from '../apiserver/testing.ts';
import { createLog } from '../base/log.ts';
import { waitFor } from '../base/wait.ts';
import { openMemoryStore } from '../store/memory.ts';
import { isConflict, isNotFound } from './client.ts';
import { createEventRecorder } from './events.ts';
import { httpsTransport } from './https.ts';
import { createInformers } from './informers.ts';
import { runLeaderElection } from './leader.ts';
import { createClient } from './requests.ts';

const log = createLog('test', () => {});
const until = (what: string, look: () => boolean) => waitFor(look, { what, timeoutMs: 30_000, intervalMs: 1 });
const named = (name: string, data: Record<string, string> = {}): ConfigMap => ({
  metadata: { name, namespace: 'default', labels: { part: 'test' } },
  data,
});
const ofTest = { labelSelector: 'part=test' };

const clientOf = (server: TestApiServer) => {
  const transport = httpsTransport({ server: server.url, ca: server.ca, cert: server.adminCert, key: server.adminKey });
  return { transport, client: createClient(transport) };
};

test('a copy follows the server: what was there, what comes, changes and goes', async (t) => {
  const server = await startTestApiServer();
  const { client, transport } = clientOf(server);
  const informers = createInformers(client, log);
  t.after(() => informers.stop().then(transport.close).then(server.stop));
  await client.create(configMaps, named('a'));
  const copy = informers.informer(configMaps, {
    ...ofTest,
    indexes: { color: (object) => (object.data?.color ? [object.data.color] : []) },
  });
  const seen: string[] = [];
  copy.onChange((object, old) =>
    seen.push(`${old?.data?.color ?? '-'} ${object ? (object.data?.color ?? '?') : 'gone'}`),
  );
  await informers.start();
  assert.equal(copy.get('default/a')?.metadata?.name, 'a');
  assert.equal(copy.get('default/a')?.metadata?.managedFields, undefined);
  await client.create(configMaps, named('b', { color: 'red' }));
  await client.patch(configMaps, { namespace: 'default', name: 'b' }, 'merge', { data: { color: 'blue' } });
  await until('blue', () => copy.byIndex('color', 'blue').length === 1);
  assert.equal(copy.byIndex('color', 'red').length, 0);
  await client.delete(configMaps, { namespace: 'default', name: 'b' });
  await until('its end', () => copy.get('default/b') === undefined);
  assert.deepEqual(seen, ['- ?', '- red', 'red blue', 'blue gone']);
  assert.equal(copy.list('default').length, 1);
  assert.equal(copy.list('other').length, 0);
});

test('a copy keeps what its transform leaves, of what was there and of what comes', async (t) => {
  const server = await startTestApiServer();
  const { client, transport } = clientOf(server);
  const informers = createInformers(client, log);
  t.after(() => informers.stop().then(transport.close).then(server.stop));
  await client.create(configMaps, named('a', { color: 'red', text: 'long' }));
  const copy = informers.informer(configMaps, {
    ...ofTest,
    transform: ({ metadata, data }) => ({ metadata, data: { color: data?.color ?? '' } }),
  });
  await informers.start();
  await client.create(configMaps, named('b', { color: 'blue', text: 'long' }));
  await until('the new one', () => copy.get('default/b') !== undefined);
  assert.deepEqual(
    copy.list().map(({ data }) => data),
    [{ color: 'red' }, { color: 'blue' }],
  );
});

test('those who ask alike share one informer', async () => {
  const server = await startTestApiServer();
  const { client, transport } = clientOf(server);
  const informers = createInformers(client, log);
  assert.equal(informers.informer(configMaps), informers.informer(configMaps));
  assert.notEqual(informers.informer(configMaps), informers.informer(configMaps, ofTest));
  await informers.stop();
  await transport.close();
  await server.stop();
});

test('a copy survives a restart of the server and catches up', async (t) => {
  const store = openMemoryStore();
  const first = await startTestApiServer({ store });
  let current = first;
  const { client: direct, transport } = clientOf(first);
  // What reaches the server may change; the informers must not notice.
  const moving = createClient({
    request: (request) => clients.request(request),
    close: async () => undefined,
  });
  let clients = transport;
  const informers = createInformers(moving, log);
  const copy = informers.informer(configMaps, ofTest);
  t.after(() => informers.stop().then(clients.close).then(current.stop));
  await direct.create(configMaps, named('a'));
  await informers.start();
  await first.stop();
  await transport.close();
  current = await startTestApiServer({ store });
  const again = clientOf(current);
  clients = again.transport;
  await again.client.delete(configMaps, { namespace: 'default', name: 'a' });
  await again.client.create(configMaps, named('b'));
  await until('the new state', () => copy.get('default/b') !== undefined && copy.get('default/a') === undefined);
});

test('errors say what the server said', async (t) => {
  const server = await startTestApiServer();
  const { client, transport } = clientOf(server);
  t.after(() => transport.close().then(server.stop));
  await assert.rejects(client.get(configMaps, { namespace: 'default', name: 'none' }), isNotFound);
  const old = await client.create(configMaps, named('a'));
  await client.update(configMaps, { ...old, data: { x: '1' } });
  await assert.rejects(client.update(configMaps, { ...old, data: { x: '2' } }), isConflict);
});

test('the same event again raises a count', async (t) => {
  const server = await startTestApiServer();
  const { client, transport } = clientOf(server);
  t.after(() => transport.close().then(server.stop));
  const object = await client.create(configMaps, named('a'));
  const recorder = createEventRecorder(client, { component: 'test' });
  for (let i = 0; i < 3; i++) recorder.event(object, 'Warning', 'Again', 'it happened');
  recorder.event(object, 'Normal', 'Once', 'it happened once');
  await recorder.flush();
  const { items } = await client.list(events, { namespace: 'default', fieldSelector: 'involvedObject.name=a' });
  assert.deepEqual(items.map(({ reason, count }) => [reason, count]).sort(), [
    ['Again', 3],
    ['Once', 1],
  ]);
});

test('one leads at a time, and the next one follows when it goes', async (t) => {
  const server = await startTestApiServer();
  const { client, transport } = clientOf(server);
  t.after(() => transport.close().then(server.stop));
  const leading: string[] = [];
  const candidate = (identity: string) =>
    runLeaderElection({
      client,
      log,
      identity,
      lease: { namespace: 'default', name: 'leader' },
      retryMs: 10,
      async lead(signal) {
        leading.push(identity);
        await new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }));
        leading.splice(leading.indexOf(identity), 1);
      },
    });
  const a = candidate('a');
  await until('a leads', () => leading.includes('a'));
  const b = candidate('b');
  await a.stop();
  await until('b leads', () => leading.includes('b'));
  assert.deepEqual(leading, ['b']);
  await b.stop();
});
