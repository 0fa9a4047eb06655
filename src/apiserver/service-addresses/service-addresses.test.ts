import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { waitFor } from '../../base/wait.ts';
import { openMemoryStore } from '../../store/memory.ts';
import { startTestApiServer, type TestOptions } from '../testing.ts';
import { wireTo } from '../wire.ts';

const SERVICES = '/api/v1/namespaces/default/services';
const RECORDS = '/apis/networking.k8s.io/v1/ipaddresses';
const RANGES = '/apis/networking.k8s.io/v1/servicecidrs';

async function start(t: TestContext, options: TestOptions = {}) {
  const server = await startTestApiServer(options);
  const wire = wireTo(server);
  const stop = async () => {
    wire.close();
    await server.stop();
  };
  t.after(stop);
  return { wire, stop };
}

const service = (name: string, spec: object = {}) => ({ metadata: { name }, spec: { ports: [{ port: 80 }], ...spec } });
const parent = (name: string) => ({ spec: { parentRef: { resource: 'services', namespace: 'default', name } } });

test('each address of a Service is an IPAddress as long as the Service has it', async (t) => {
  const { wire } = await start(t, { serviceCIDRs: ['10.96.0.0/24', 'fd00:96::/120'] });
  const created = await wire.post(SERVICES, service('web', { ipFamilyPolicy: 'RequireDualStack' }));
  const [first = '', second = ''] = created.json.spec.clusterIPs;
  for (const [address, family] of [[first, 'IPv4'] as const, [second, 'IPv6'] as const]) {
    const { json } = await wire.get(`${RECORDS}/${address}`);
    assert.deepEqual(JSON.parse(JSON.stringify(json)).metadata.labels, {
      'ipaddress.kubernetes.io/ip-family': family,
      'ipaddress.kubernetes.io/managed-by': 'ipallocator.k8s.io',
    });
    assert.deepEqual({ spec: json.spec }, parent('web'));
  }
  await wire.put(`${SERVICES}/web`, service('web', { ipFamilyPolicy: 'SingleStack', clusterIP: first }));
  assert.equal((await wire.get(`${RECORDS}/${second}`)).status, 404);
  await wire.put(`${SERVICES}/web`, service('web', { type: 'ExternalName', externalName: 'example.com' }));
  assert.equal((await wire.get(`${RECORDS}/${first}`)).status, 404);
  const again = await wire.put(`${SERVICES}/web`, service('web', { type: 'ClusterIP' }));
  assert.equal((await wire.get(`${RECORDS}/${again.json.spec.clusterIP}`)).status, 200);
  await wire.delete(`${SERVICES}/web`);
  assert.equal((await wire.get(`${RECORDS}/${again.json.spec.clusterIP}`)).status, 404);
});

test('writes that fail or are only tried leave no IPAddress behind', async (t) => {
  const { wire } = await start(t);
  await wire.post(SERVICES, service('web'));
  const before = (await wire.get(RECORDS)).json.items.length;
  assert.equal((await wire.post(SERVICES, service('web'))).status, 409);
  assert.equal((await wire.post(SERVICES, service('no', { ports: [] }))).status, 422);
  assert.equal((await wire.post(`${SERVICES}?dryRun=All`, service('dry'))).status, 201);
  await wire.delete(`${SERVICES}/web?dryRun=All`);
  assert.equal((await wire.get(RECORDS)).json.items.length, before);
});

test('an address that an IPAddress of somebody else has is given to no Service', async (t) => {
  const { wire } = await start(t, { serviceCIDRs: ['10.96.0.0/30'] });
  const taken = { metadata: { name: '10.96.0.2' }, spec: { parentRef: { resource: 'gateways', name: 'edge' } } };
  assert.equal((await wire.post(RECORDS, taken)).status, 201);
  const asked = await wire.post(SERVICES, service('asks', { clusterIP: '10.96.0.2' }));
  assert.match(asked.json.message, /provided IP is already allocated$/);
  assert.match((await wire.post(SERVICES, service('any'))).json.message, /range is full$/);
  await wire.delete(`${RECORDS}/10.96.0.2`);
  assert.equal((await wire.post(SERVICES, service('any'))).json.spec.clusterIP, '10.96.0.2');
});

test('a ServiceCIDR gives addresses once it is ready, and with it a full cluster goes on', async (t) => {
  const { wire } = await start(t, { serviceCIDRs: ['10.96.0.0/30'] });
  assert.equal((await wire.post(SERVICES, service('last'))).status, 201);
  assert.match((await wire.post(SERVICES, service('more'))).json.message, /range is full$/);
  await wire.post(RANGES, { metadata: { name: 'more' }, spec: { cidrs: ['10.97.0.0/24'] } });
  assert.match((await wire.post(SERVICES, service('more'))).json.message, /range is full$/);
  const conditions = [
    { type: 'Ready', status: 'True', reason: '', message: '', lastTransitionTime: '2026-01-01T00:00:00Z' },
  ];
  await wire.patch(`${RANGES}/more/status`, 'merge', { status: { conditions } });
  assert.match((await wire.post(SERVICES, service('more'))).json.spec.clusterIP, /^10\.97\.0\.\d+$/);
  // The same addresses in a second range are not given twice.
  await wire.post(RANGES, { metadata: { name: 'large' }, spec: { cidrs: ['10.96.0.0/28'] } });
  await wire.patch(`${RANGES}/large/status`, 'merge', { status: { conditions } });
  const twice = await wire.post(SERVICES, service('twice', { clusterIP: '10.96.0.2' }));
  assert.match(twice.json.message, /provided IP is already allocated$/);
  const broadcast = await wire.post(SERVICES, service('was-broadcast', { clusterIP: '10.96.0.3' }));
  assert.equal(broadcast.status, 201, 'the last address of the small range is in the middle of the large one');
});

test('an IPAddress that somebody deleted or took the label off is repaired, and the Service told', async (t) => {
  const { wire } = await start(t);
  const { clusterIP } = (await wire.post(SERVICES, service('web'))).json.spec;
  const repaired = () =>
    waitFor(async () => /managed-by":"ipallocator/.test((await wire.get(`${RECORDS}/${clusterIP}`)).text), {
      what: 'the IPAddress',
      timeoutMs: 30_000,
      intervalMs: 5,
    });
  await wire.delete(`${RECORDS}/${clusterIP}`);
  await repaired();
  const isTold = async () =>
    /ClusterIPNotAllocated.*is not allocated; repairing/.test(
      (await wire.get('/api/v1/namespaces/default/events')).text,
    );
  await waitFor(isTold, { what: 'the event', timeoutMs: 30_000 });
  await wire.patch(`${RECORDS}/${clusterIP}`, 'merge', { metadata: { labels: null } });
  await repaired();
});

test('Services of a server that made no IPAddresses get theirs when this one starts', async (t) => {
  const store = openMemoryStore();
  t.after(() => store.close());
  const first = await start(t, { store });
  const { clusterIP } = (await first.wire.post(SERVICES, service('old'))).json.spec;
  await first.stop();
  const key = `/registry/networking.k8s.io/ipaddresses/${clusterIP}`;
  await store.delete(key, (await store.get(key))?.modRevision ?? 0);
  const { wire } = await start(t, { store });
  await waitFor(async () => (await wire.get(`${RECORDS}/${clusterIP}`)).status === 200 || undefined, {
    what: 'the IPAddress',
    timeoutMs: 30_000,
    intervalMs: 5,
  });
});
