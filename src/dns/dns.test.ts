import assert from 'node:assert/strict';
import { createSocket } from 'node:dgram';
import { Resolver } from 'node:dns/promises';
import { once } from 'node:events';
import { after, before, describe, it } from 'node:test';
import { configMaps, endpointSlices, namespaces, pods, serviceAccounts, services } from '../api/resource.ts';
import type { EndpointSlice } from '../api/types.ts';
import { startTestApiServer, type TestApiServer } from '../apiserver/testing.ts';
import { waitFor } from '../base/wait.ts';
import type { Client, Transport } from '../client/client.ts';
import { httpsTransport } from '../client/https.ts';
import type { InformerFactory } from '../client/informer.ts';
import { createInformers } from '../client/informers.ts';
import { createClient } from '../client/requests.ts';
import { type Dns, startDns } from './dns.ts';
import { quiet, serve, slice, zoneOf } from './fixtures.ts';
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
    await client.create(namespaces, { metadata: { name: 'kube-system' } }).catch(() => undefined);
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
    const named = (name: string, labels: Record<string, string>, ...texts: string[]): EndpointSlice => ({
      apiVersion: 'discovery.k8s.io/v1',
      kind: 'EndpointSlice',
      ...slice(texts, [['sql', 5432]]),
      metadata: {
        name,
        namespace: 'shop',
        labels: { 'kubernetes.io/service-name': 'db', ...labels },
        annotations: { 'endpoints.kubernetes.io/last-change-trigger-time': new Date().toISOString() },
      },
    });
    const endpoints = (...texts: string[]) => named('db-1', {}, ...texts);
    await client.create(endpointSlices, endpoints('db-0@10.244.1.5', '!db-1@10.244.2.6'));
    await resolves('db.shop.svc.cluster.local', ['10.244.1.5']);
    await client.update(endpointSlices, endpoints('db-0@10.244.1.5', 'db-1@10.244.2.6'));
    await resolves('db.shop.svc.cluster.local', ['10.244.1.5', '10.244.2.6']);
    assert.deepEqual(await resolver.reverse('10.244.2.6'), ['db-1.db.shop.svc.cluster.local']);
    const controlled = {
      'endpointslice.kubernetes.io/managed-by': 'endpointslice-controller.k8s.io',
      'service.kubernetes.io/headless': '',
    };
    await client.create(endpointSlices, named('db-2', controlled, 'db-2@10.244.3.7'));
    await resolves('db.shop.svc.cluster.local', ['10.244.1.5', '10.244.2.6', '10.244.3.7']);
    await client.delete(endpointSlices, { name: 'db-1', namespace: 'shop' });
    await resolves('db.shop.svc.cluster.local', ['10.244.3.7']);
    await client.delete(endpointSlices, { name: 'db-2', namespace: 'shop' });
    await gone('db.shop.svc.cluster.local');
  });

  const configMap = (data: Record<string, string>) => ({
    apiVersion: 'v1',
    kind: 'ConfigMap',
    metadata: { name: 'kube-dns', namespace: 'kube-system' },
    data,
  });
  const configure = (data: Record<string, string>) =>
    client.update(configMaps, configMap(data)).catch(() => client.create(configMaps, configMap(data)));
  const metric = async (pattern: RegExp) => {
    const text = await (await fetch(`http://127.0.0.1:${dns.ports.metrics}/metrics`)).text();
    return Number(pattern.exec(text)?.[1]);
  };

  it('tells how long a change of endpoints took into the zone', async () => {
    assert.ok((await metric(/^coredns_kubernetes_dns_programming_duration_seconds_count{.*} (\d+)$/m)) >= 1);
  });

  it('asks who the config map names, from the moment it does', async (t) => {
    const world = await serve(zoneOf('corp.test', ['a'], { 'a/b': { spec: { clusterIP: '192.0.2.7' } } }));
    t.after(() => world.stop());
    const server = `127.0.0.1:${world.port}`;
    await configure({ stubDomains: `{"corp.test":["${server}"]}` });
    await resolves('b.a.svc.corp.test', ['192.0.2.7']);
    await configure({ stubDomains: 'nonsense' });
    await waitFor(async () => (await metric(/^coredns_reload_failed_total (\d+)$/m)) === 1, {
      what: 'the refusal',
      timeoutMs: 30_000,
    });
    assert.deepEqual(await resolver.resolve4('b.a.svc.corp.test'), ['192.0.2.7']);
    await configure({ upstreamNameservers: `["${server}"]` });
    await gone('c.a.svc.corp.test');
    await client.delete(configMaps, { name: 'kube-dns', namespace: 'kube-system' });
    await waitFor(() => resolver.resolve4('d.a.svc.corp.test').catch(({ code }) => code === 'ESERVFAIL'), {
      what: 'the flag to count again',
      timeoutMs: 30_000,
    });
  });

  it('follows the search path of the asking pod where it is told to', async () => {
    await client.create(services, {
      apiVersion: 'v1',
      kind: 'Service',
      metadata: { name: 'far', namespace: 'shop' },
      spec: { clusterIP: '10.96.7.7', ports: [{ port: 80 }] },
    });
    await client.create(serviceAccounts, { metadata: { name: 'default', namespace: 'kube-system' } });
    const asker = {
      metadata: { name: 'asker', namespace: 'kube-system' },
      spec: { containers: [{ name: 'c', image: 'c' }] },
    };
    await client.create(pods, asker);
    const status = { phase: 'Running', podIP: '127.0.0.1', podIPs: [{ ip: '127.0.0.1' }] };
    await client.patch(pods, { name: 'asker', namespace: 'kube-system' }, 'merge', { status }, 'status');
    const first = 'far.shop.kube-system.svc.cluster.local';
    await gone(first);
    await configure({ autopath: 'true' });
    await resolves(first, ['10.96.7.7']);
    assert.deepEqual(await resolver.resolve6(first), []);
    assert.ok((await metric(/^coredns_autopath_success_total{.*} (\d+)$/m)) >= 2);
    await gone('far.shop.default.svc.cluster.local');
    await configure({ autopath: 'false' });
    await gone(first);
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

  it('says which port is taken', async () => {
    const args = [...flags.slice(1), `--port=${dns.ports.dns}`, '--address=127.0.0.1', '--upstreams=127.0.0.1:9'];
    const second = await startDns({ ...parseDnsOptions(args, {}), informers, log: quiet, version: '1' });
    await assert.rejects(second.serving, {
      code: 'PORT_IN_USE',
      message: `port ${dns.ports.dns} of 127.0.0.1 is taken`,
    });
    await second.stop();
  });

  it('finishes what waits for an upstream before it ends', async (t) => {
    const slow = createSocket('udp4').bind(0, '127.0.0.1');
    await once(slow, 'listening');
    t.after(() => slow.close());
    const upstreams = `["127.0.0.1:${slow.address().port}"]`;
    await configure({ upstreamNameservers: upstreams });
    const asked = new Promise<() => void>((resolve) => {
      slow.on('message', (message, { port }) => {
        const answer = Buffer.from(message);
        answer.writeUInt16BE(0x8003, 2);
        // The loop's question and others that come before are none of ours.
        if (message.includes('slow')) resolve(() => slow.send(answer, port, '127.0.0.1'));
      });
    });
    let answer: Promise<string[] | string> | undefined;
    await waitFor(
      () => {
        answer ??= resolver.resolve4('slow.test').catch(({ code }: NodeJS.ErrnoException) => code ?? '');
        return Promise.race([asked.then(() => true), answer.then(() => (answer = undefined))]);
      },
      { what: 'the upstream to be asked', timeoutMs: 30_000 },
    );
    const stopped = dns.stop();
    (await asked)();
    assert.equal(await answer, 'ENOTFOUND');
    await stopped;
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
