import assert from 'node:assert/strict';
import { once } from 'node:events';
import type { IncomingMessage } from 'node:http';
import { createServer, request as httpsRequest } from 'node:https';
import type { AddressInfo } from 'node:net';
import type { Duplex } from 'node:stream';
import { type TestContext, test } from 'node:test';
import type { TLSSocket } from 'node:tls';
import { waitFor } from '../../base/wait.ts';
import { startTestApiServer } from '../testing.ts';
import { wireTo } from '../wire.ts';

const root = '/apis/metrics.example.com/v1';
const registrations = '/apis/apiregistration.k8s.io/v1/apiservices';

interface Asked {
  readonly path: string;
  readonly user: unknown;
  readonly groups: unknown;
  readonly client: string;
}

/** An API server, and another that serves `things` of `metrics.example.com/v1` behind a Service. */
async function startWithOther(t: TestContext) {
  const server = await startTestApiServer();
  const wire = wireTo(server);
  const identity = await server.certificate('other', [], ['other.default.svc']);
  const asked: Asked[] = [];
  const other = createServer({ ...identity, ca: server.ca, requestCert: true }, (req, res) => {
    const client = (req.socket as TLSSocket).getPeerCertificate().subject?.CN ?? '';
    const { 'x-remote-user': user, 'x-remote-group': groups } = req.headers;
    asked.push({ path: req.url ?? '', user, groups, client: String(client) });
    res.setHeader('content-type', 'application/json');
    const resource = { name: 'things', singularName: 'thing', namespaced: true, kind: 'Thing', verbs: ['get', 'list'] };
    const list = {
      kind: 'APIResourceList',
      apiVersion: 'v1',
      groupVersion: 'metrics.example.com/v1',
      resources: [resource],
    };
    if (req.url === root) return void res.end(JSON.stringify(list));
    if (req.url?.includes('watch=1'))
      return void res.write(`${JSON.stringify({ type: 'ADDED', object: { kind: 'Thing' } })}\n`);
    res.end(JSON.stringify({ kind: 'ThingList', items: [] }));
  });
  other.on('upgrade', (req, socket: Duplex) => {
    const { 'x-remote-user': user, 'x-remote-group': groups } = req.headers;
    asked.push({ path: req.url ?? '', user, groups, client: '' });
    socket.write('HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n');
    socket.pipe(socket);
  });
  await new Promise<void>((resolve) => other.listen(0, 'localhost', resolve));
  t.after(async () => {
    wire.close();
    other.closeAllConnections();
    await new Promise((resolve) => other.close(resolve));
    await server.stop();
  });
  const { port } = other.address() as AddressInfo;
  const apiService = {
    metadata: { name: 'v1.metrics.example.com' },
    spec: {
      group: 'metrics.example.com',
      version: 'v1',
      groupPriorityMinimum: 100,
      versionPriority: 100,
      service: { namespace: 'default', name: 'other', port },
      caBundle: Buffer.from(server.ca).toString('base64'),
    },
  };
  assert.equal((await wire.post(registrations, apiService)).status, 201);
  const condition = async () => {
    const { text } = await wire.get(`${registrations}/v1.metrics.example.com`);
    const conditions: { status: string; reason: string }[] = JSON.parse(text).status?.conditions ?? [];
    return conditions.map(({ status, reason }) => `${status} ${reason}`)[0];
  };
  const until = (wanted: string) =>
    waitFor(async () => (await condition()) === wanted, { what: wanted, timeoutMs: 30_000, intervalMs: 10 });
  const addService = () =>
    wire.post('/api/v1/namespaces/default/services', {
      metadata: { name: 'other' },
      spec: { type: 'ExternalName', externalName: 'localhost' },
    });
  return { server, wire, asked, until, addService };
}

test('a group of another server is served when its Service is there, and told of in discovery', async (t) => {
  const { wire, until, addService } = await startWithOther(t);
  await until('False ServiceNotFound');
  assert.equal((await wire.get(`${root}/things`)).status, 503);
  await addService();
  await until('True Passed');
  assert.match((await wire.get('/apis')).text, /"name":"metrics.example.com"/);
  const accept = 'application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList';
  assert.match(
    (await wire.get('/apis', { accept })).text,
    /"resource":"things","responseKind":\{"group":"metrics.example.com"/,
  );
  assert.match((await wire.get('/openapi/v3')).text, /"apis\/metrics.example.com\/v1"/);
  assert.equal((await wire.get(`${root}/namespaces/default/things`)).json.kind, 'ThingList');
  await wire.delete(`${registrations}/v1.metrics.example.com`);
  assert.equal((await wire.get(`${root}/things`)).status, 404);
});

test('another server is told who asks, by the front proxy', async (t) => {
  const { server, wire, asked, until, addService } = await startWithOther(t);
  await addService();
  await until('True Passed');
  const alice = wireTo(server, await server.certificate('alice', ['readers']));
  t.after(() => alice.close());
  assert.equal((await alice.get(`${root}/things`)).status, 403);
  await wire.get(`${root}/things?limit=5`);
  const last = asked.at(-1);
  assert.deepEqual(
    [last?.path, last?.user, last?.client],
    [`${root}/things?limit=5`, 'kubernetes-admin', 'front-proxy-client'],
  );
  assert.match(String(last?.groups), /system:masters/);
});

test('a server that is registered otherwise goes on being asked, and others’ conditions stay', async (t) => {
  const { wire, until, addService } = await startWithOther(t);
  await addService();
  await until('True Passed');
  const path = `${registrations}/v1.metrics.example.com`;
  const own = { type: 'Seen', status: 'True', reason: 'Seen', message: '', lastTransitionTime: '2026-01-01T00:00:00Z' };
  const conditionsOf = async (): Promise<{ type: string }[]> =>
    JSON.parse((await wire.get(path)).text).status.conditions;
  const conditions = await conditionsOf();
  await wire.patch(`${path}/status`, 'merge', { status: { conditions: [...conditions, own] } });
  assert.equal((await wire.patch(path, 'merge', { spec: { versionPriority: 400 } })).status, 200);
  assert.equal((await wire.get(`${root}/things`)).status, 200);
  await wire.delete('/api/v1/namespaces/default/services/other');
  await until('False ServiceNotFound');
  assert.deepEqual(
    (await conditionsOf()).map(({ type }) => type),
    ['Available', 'Seen'],
  );
});

test('a watch of another server comes through as it goes', async (t) => {
  const { wire, until, addService } = await startWithOther(t);
  await addService();
  await until('True Passed');
  for await (const event of wire.watch(`${root}/things?watch=1`)) {
    assert.equal(event.object.kind, 'Thing');
    break;
  }
});

test('an upgrade leads to the other server, in the name of who asks and may', async (t) => {
  const { server, asked, until, addService } = await startWithOther(t);
  await addService();
  await until('True Passed');
  const path = `${root}/namespaces/default/things/a/console`;
  const upgrade = async (name: string, group: string) => {
    const { port } = new URL(server.url);
    const identity = await server.certificate(name, [group]);
    const headers = { connection: 'Upgrade', upgrade: 'websocket', 'x-remote-user': 'somebody-else' };
    const call = httpsRequest({ host: '127.0.0.1', port, path, headers, ca: server.ca, agent: false, ...identity });
    call.end();
    const [response, socket] = await Promise.race([once(call, 'upgrade'), once(call, 'response')]);
    t.after(() => (response as IncomingMessage).destroy());
    return { status: (response as IncomingMessage).statusCode, socket: socket as Duplex | undefined };
  };
  const before = asked.length;
  assert.equal((await upgrade('alice', 'readers')).status, 403);
  assert.equal(asked.length, before);
  const { status, socket } = await upgrade('root', 'system:masters');
  assert.equal(status, 101);
  assert.deepEqual([asked.at(-1)?.path, asked.at(-1)?.user], [path, 'root']);
  socket?.write('hello');
  const [echo] = await once(socket!, 'data');
  assert.equal(String(echo), 'hello');
  socket?.destroy();
});

test('groups and versions of other servers stand in the order of their priorities', async (t) => {
  const { wire } = await startWithOther(t);
  const add = (version: string, group: string, groupPriorityMinimum: number, versionPriority: number) => {
    const service = { namespace: 'default', name: 'nobody', port: 443 };
    const spec = { group, version, groupPriorityMinimum, versionPriority, service };
    return wire.post(registrations, { metadata: { name: `${version}.${group}` }, spec });
  };
  await add('v1', 'z.example.com', 2000, 10);
  await add('v2', 'z.example.com', 100, 20);
  await add('v1', 'a.example.com', 50, 10);
  const { groups } = JSON.parse((await wire.get('/apis')).text) as { groups: { name: string; versions: Version[] }[] };
  interface Version {
    readonly version: string;
  }
  const others = groups.filter(({ name }) => name.endsWith('.example.com'));
  assert.deepEqual(
    others.map(({ name, versions }) => `${name} ${versions.map(({ version }) => version)}`),
    ['z.example.com v2,v1', 'metrics.example.com v1', 'a.example.com v1'],
  );
});
