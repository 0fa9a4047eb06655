import assert from 'node:assert/strict';
import { Resolver } from 'node:dns/promises';
import { after, before, describe, it } from 'node:test';
import { endpointSlices, namespaces, services } from '../api/resource.ts';
import type { EndpointSlice } from '../api/types.ts';
import { startTestApiServer, type TestApiServer } from '../apiserver/testing.ts';
import { waitFor } from '../base/wait.ts';
import type { Client, Transport } from '../client/client.ts';
import { httpsTransport } from '../client/https.ts';
import type { InformerFactory } from '../client/informer.ts';
import { createInformers } from '../client/informers.ts';
import { createClient } from '../client/requests.ts';
import { type Dns, startDns } from './dns.ts';
import { quiet, slice } from './fixtures.ts';
import { parseDnsOptions } from './options.ts';

const flags = ['port', 'health-port', 'ready-port', 'metrics-port'].map((flag) => `--${flag}=0`);

describe('cluster DNS, on a real API server', () => {
  let server: TestApiServer;
  let transport: Transport;
  let client: Client;
  let informers: InformerFactory;
  let dns: Dns;
  let resolver: Resolver;

  before(async () => {
    server = await startTestApiServer();
    transport = httpsTransport({ server: server.url, ca: server.ca, cert: server.adminCert, key: server.adminKey });
    client = createClient(transport);
    informers = createInformers(client, quiet);
    const options = parseDnsOptions([...flags, '--address=127.0.0.1', '--upstreams=127.0.0.1:9'], {});
    await client.create(namespaces, { apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'shop' } });
    dns = await startDns({ ...options, informers, log: quiet, version: '1' });
    await dns.serving;
    resolver = new Resolver({ timeout: 30_000, tries: 1 });
    resolver.setServers([`127.0.0.1:${dns.ports.dns}`]);
  });
  after(async () => {
    await dns.stop();
    await informers.stop();
    await transport.close();
    await server.stop();
  });

  const resolves = (name: string, addresses: readonly string[]) =>
    waitFor(async () => (await resolver.resolve4(name)).sort().join() === addresses.join(), {
      what: `${name} to be ${addresses.join()}`,
      timeoutMs: 30_000,
      intervalMs: 5,
    });
  const gone = (name: string) =>
    waitFor(
      () =>
        resolver.resolve4(name).then(
          () => false,
          (error: NodeJS.ErrnoException) => error.code === 'ENOTFOUND',
        ),
      { what: `${name} to be gone`, timeoutMs: 30_000, intervalMs: 5 },
    );
  const status = async (port: number | undefined, path: string) =>
    (await fetch(`http://127.0.0.1:${port}${path}`)).status;

  it('answers for a Service once it is there, and no more when it is gone', async () => {
    const created = await client.create(services, {
      apiVersion: 'v1',
      kind: 'Service',
      metadata: { name: 'web', namespace: 'shop' },
      spec: { ports: [{ name: 'http', port: 80 }] },
    });
    await resolves('web.shop.svc.cluster.local', [created.spec?.clusterIP ?? '']);
    assert.deepEqual(await resolver.resolveSrv('_http._tcp.web.shop.svc.cluster.local'), [
      { name: 'web.shop.svc.cluster.local', port: 80, priority: 0, weight: 100, type: 'SRV' },
    ]);
    await client.delete(services, { name: 'web', namespace: 'shop' });
    await gone('web.shop.svc.cluster.local');
  });

  it('follows the endpoints of a headless Service', async () => {
    await client.create(services, {
      apiVersion: 'v1',
      kind: 'Service',
      metadata: { name: 'db', namespace: 'shop' },
      spec: { clusterIP: 'None', ports: [{ name: 'sql', port: 5432 }] },
    });
    const endpoints = (...texts: string[]): EndpointSlice => ({
      apiVersion: 'discovery.k8s.io/v1',
      kind: 'EndpointSlice',
      ...slice(texts, [['sql', 5432]]),
      metadata: { name: 'db-1', namespace: 'shop', labels: { 'kubernetes.io/service-name': 'db' } },
    });
    await client.create(endpointSlices, endpoints('db-0@10.244.1.5', '!db-1@10.244.2.6'));
    await resolves('db.shop.svc.cluster.local', ['10.244.1.5']);
    await client.update(endpointSlices, endpoints('db-0@10.244.1.5', 'db-1@10.244.2.6'));
    await resolves('db.shop.svc.cluster.local', ['10.244.1.5', '10.244.2.6']);
    assert.deepEqual(await resolver.reverse('10.244.2.6'), ['db-1.db.shop.svc.cluster.local']);
    await client.delete(endpointSlices, { name: 'db-1', namespace: 'shop' });
    await gone('db.shop.svc.cluster.local');
  });

  it('says how it is over HTTP, and is not ready while it drains', async () => {
    assert.equal(await status(dns.ports.health, '/health'), 200);
    assert.equal(await status(dns.ports.health, '/elsewhere'), 404);
    assert.equal(await status(dns.ports.ready, '/ready'), 200);
    const metrics = await (await fetch(`http://127.0.0.1:${dns.ports.metrics}/metrics`)).text();
    assert.match(metrics, /^coredns_dns_requests_total\{.*proto="udp",family="1",type="A"\} [1-9]/m);
    dns.drain();
    assert.equal(await status(dns.ports.ready, '/ready'), 503);
    assert.equal((await resolver.resolveTxt('dns-version.cluster.local')).join(), '1.1.0');
  });
});

describe('its flags', () => {
  it('may stand in the environment', () => {
    assert.equal(parseDnsOptions([], { DNS_HEALTH_PORT: '99' }).healthPort, 99);
    assert.equal(parseDnsOptions(['--health-port=98'], { DNS_HEALTH_PORT: '99' }).healthPort, 98);
    assert.deepEqual(parseDnsOptions(['--own-addresses=10.96.0.10'], {}).ownAddresses, ['10.96.0.10']);
  });

  it('are refused with their name where they are wrong', () => {
    for (const [args, message] of [
      [['--port=http'], /--port: "http" is not a whole number/],
      [['--upstreams=dns'], /--upstreams: "dns" is not an address/],
      [['--prot=53'], /--prot/],
    ] as const)
      assert.throws(() => parseDnsOptions(args, {}), message);
  });
});
