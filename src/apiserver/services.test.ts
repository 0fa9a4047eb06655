import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { openMemoryStore } from '../store/memory.ts';
import { startTestApiServer, type TestApiServer } from './testing.ts';
import { wireTo } from './wire.ts';

const SERVICES = '/api/v1/namespaces/default/services';

describe('addresses and ports of Services', () => {
  const store = openMemoryStore();
  const options = { store, serviceCIDRs: ['10.96.0.0/28'], nodePortRange: [30000, 30003] as const };
  let server: TestApiServer;
  let wire: ReturnType<typeof wireTo>;
  before(async () => {
    server = await startTestApiServer(options);
    wire = wireTo(server);
  });
  after(async () => {
    wire.close();
    await server.stop();
    await store.close();
  });

  const service = (name: string, spec: object = {}) => ({
    metadata: { name },
    spec: { ports: [{ port: 80 }], ...spec },
  });

  it('are given, also those that are asked for by number', async () => {
    const given = await wire.post(SERVICES, service('given'));
    assert.match(given.json.spec.clusterIP, /^10\.96\.0\.([2-9]|1[0-4])$/);
    assert.deepEqual(given.json.spec.clusterIPs, [given.json.spec.clusterIP]);
    assert.deepEqual([given.json.spec.ipFamilies, given.json.spec.ipFamilyPolicy], [['IPv4'], 'SingleStack']);
    const taken = await wire.post(SERVICES, service('taken', { clusterIP: given.json.spec.clusterIP }));
    assert.deepEqual([taken.status, taken.json.reason], [422, 'Invalid']);
    assert.match(taken.json.message, /provided IP is already allocated$/);
    const outside = await wire.post(SERVICES, service('outside', { clusterIP: '10.97.0.1' }));
    assert.match(outside.json.message, /IP 10\.97\.0\.1: the provided network does not match the current range$/);
    const headless = await wire.post(SERVICES, service('headless', { clusterIP: 'None' }));
    assert.equal(headless.json.spec.clusterIP, 'None');
    await wire.delete(`${SERVICES}/given`);
    const again = await wire.post(SERVICES, service('again', { clusterIP: given.json.spec.clusterIP }));
    assert.equal(again.status, 201, 'a deleted Service gives its address back');
    await wire.delete(`${SERVICES}/again`);
  });

  it('are each given once, until none are left, also to many at once', async () => {
    const answers = await Promise.all(Array.from({ length: 20 }, (_, n) => wire.post(SERVICES, service(`many-${n}`))));
    const addresses = answers.filter(({ status }) => status === 201).map(({ json }) => json.spec.clusterIP);
    assert.equal(new Set(addresses).size, addresses.length);
    assert.equal(addresses.length, 13, '14 addresses, one of them for kubernetes');
    assert.match(
      answers.find(({ status }) => status !== 201)?.json.message ?? '',
      /failed to allocate a serviceIP for Service "many-\d+": range is full$/,
    );
  });

  it('come from the ServiceCIDR that is there from the start', async () => {
    const { status, json } = await wire.get('/apis/networking.k8s.io/v1/servicecidrs/kubernetes/status');
    assert.equal(status, 200);
    assert.equal(json.kind, 'ServiceCIDR');
    assert.match(JSON.stringify(json), /"type":"Ready","status":"True"/);
  });

  it('stay theirs when the server starts again', async () => {
    const kept = await wire.put(`${SERVICES}/many-0`, { ...service('many-0', { type: 'NodePort' }) });
    const port = kept.json.spec.ports[0]?.nodePort ?? 0;
    assert.ok(port >= 30000 && port <= 30003);
    wire.close();
    await server.stop();
    server = await startTestApiServer(options);
    wire = wireTo(server);
    const wants = (nodePort: number) => ({ type: 'NodePort', clusterIP: 'None', ports: [{ port: 80, nodePort }] });
    const taken = await wire.put(`${SERVICES}/many-1`, {
      metadata: { name: 'many-1' },
      spec: { ...wants(port), clusterIP: undefined },
    });
    assert.match(taken.json.message, /provided port is already allocated$/);
    const beyond = await wire.put(
      `${SERVICES}/many-1`,
      service('many-1', { type: 'NodePort', ports: [{ port: 80, nodePort: 80 }] }),
    );
    assert.match(beyond.json.message, /The range of valid ports is 30000-30003$/);
  });
});

describe('addresses of Services in a dual-stack cluster', () => {
  let server: TestApiServer;
  let wire: ReturnType<typeof wireTo>;
  before(async () => {
    server = await startTestApiServer({ serviceCIDRs: ['10.96.0.0/28', 'fd00:96::/124'] });
    wire = wireTo(server);
  });
  after(async () => {
    wire.close();
    await server.stop();
  });

  it('come with the second family and go with it', async () => {
    const object = { metadata: { name: 'web' }, spec: { ports: [{ port: 80 }], selector: { app: 'web' } } };
    const single = await wire.post(SERVICES, object);
    const first = single.json.spec.clusterIP;
    assert.deepEqual(single.json.spec.ipFamilies, ['IPv4']);
    const dual = await wire.put(`${SERVICES}/web`, {
      ...object,
      spec: { ...object.spec, ipFamilyPolicy: 'PreferDualStack' },
    });
    const [same, second] = dual.json.spec.clusterIPs;
    assert.equal(same, first);
    assert.match(second ?? '', /^fd00:96::/);
    const again = await wire.put(`${SERVICES}/web`, {
      ...object,
      spec: { ...object.spec, ipFamilyPolicy: 'SingleStack' },
    });
    assert.deepEqual([again.json.spec.clusterIPs, again.json.spec.ipFamilies], [[first], ['IPv4']]);
    const reused = await wire.post(SERVICES, {
      metadata: { name: 'six' },
      spec: { ...object.spec, clusterIP: second },
    });
    assert.deepEqual([reused.status, reused.json.spec?.ipFamilies], [201, ['IPv6']], 'the address was given back');
  });
});
