import assert from 'node:assert/strict';
import { createHash, randomBytes, X509Certificate } from 'node:crypto';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { request } from 'node:http';
import { connect as connectHttp2 } from 'node:http2';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, type TestContext, test } from 'node:test';
import { connect as connectTLS } from 'node:tls';
import WebSocket from 'ws';
import { CertificateAuthority } from '../src/cluster/pki.ts';
import { eventually, startCluster, type TestCluster } from './support/cluster.ts';
import { type Answer, type AskOptions, ask as askAt, eventsOf, ingress, webServer } from './support/ingress.ts';
import { ingressScenarios } from './support/ingress-scenarios.ts';
import { machineState } from './support/machine.ts';

const name = 't-ingress';
let cluster: TestCluster;
let pristine: string[];
let address: string;

before(async () => {
  pristine = await machineState(name);
  cluster = await startCluster(name, ['--nodes', '2']);
  address = cluster.config.addresses.ingress;
  await cluster.apply(
    ...webServer('one', { replicas: 2 }),
    ...webServer('two'),
    ...webServer('three', { type: 'ClusterIP' }),
  );
  for (const each of ['one', 'two', 'three']) {
    await cluster.kubectl(['rollout', 'status', `deployment/${each}`, '--timeout=110s']);
  }
});

after(async () => {
  await cluster?.down();
  assert.deepEqual(await machineState(name), pristine);
});

const ask = (host: string, path = '/', options: AskOptions = {}) => askAt(address, host, path, options);
/** `one`, `two`, `three`, or the status of what no pod answered. */
const whoAnswers = async (host: string, path = '/', options: AskOptions = {}) => whoIs(await ask(host, path, options));
const whoIs = ({ status, told }: Answer) => (status === 200 ? (told.pod?.split('-')[0] ?? 'nobody') : String(status));
const becomes = (host: string, path: string, who: string, options: AskOptions = {}) =>
  eventually(`${host}${path} to be answered by ${who}`, async () => (await whoAnswers(host, path, options)) === who);

test('no proxy runs before there is an Ingress, and none after the last has gone', async () => {
  const runs = async () => (await machineState(name)).some((line) => line.startsWith('process haproxy'));
  assert.equal(await runs(), false);
  await cluster.apply(ingress('first', { 'first.test': [{ service: 'one' }] }));
  await eventually('the address to be told', async () => {
    const { status } = await cluster.get<{ status: { loadBalancer: { ingress?: { ip: string }[] } } }>(
      'ingress',
      'first',
    );
    return status.loadBalancer.ingress?.[0]?.ip === address;
  });
  assert.equal(await whoAnswers('first.test'), 'one');
  assert.equal(await runs(), true);
  await cluster.kubectl(['delete', 'ingress', 'first']);
  await eventually('the proxy to be gone', async () => !(await runs()));
});

test('the most specific host and path wins, and paths match by their elements', async () => {
  await cluster.apply(
    ingress('hosts', {
      'shop.test': [
        { service: 'one' },
        { path: '/cart', service: 'two' },
        { path: '/cart/pay', type: 'Exact', service: 'three' },
        { path: '/slash/', service: 'two' },
        { path: '/impl/*', type: 'ImplementationSpecific', service: 'two' },
      ],
      '*.shop.test': [{ path: '/any', service: 'two' }],
      '': [{ path: '/everywhere', service: 'three' }],
    }),
  );
  await becomes('shop.test', '/', 'one');
  const table: readonly (readonly [string, string, string])[] = [
    ['shop.test', '/', 'one'],
    ['SHOP.test:80', '/x', 'one'],
    ['shop.test', '/cart', 'two'],
    ['shop.test', '/cart/', 'two'],
    ['shop.test', '/cart/1?a=b', 'two'],
    ['shop.test', '/cartoon', 'one'],
    ['shop.test', '/cart/pay', 'three'],
    ['shop.test', '/cart/pay/', 'two'],
    ['shop.test', '/slash', 'two'],
    ['shop.test', '/slash/x', 'two'],
    ['shop.test', '/impl/x', 'two'],
    ['shop.test', '/Cart', 'one'],
    ['eu.shop.test', '/any/1', 'two'],
    ['eu.shop.test', '/other', '404'],
    ['eu.eu.shop.test', '/any', '404'],
    ['eu.shop.test', '/everywhere', 'three'],
    ['unknown.test', '/everywhere/x', 'three'],
    ['shop.test', '/everywhere', 'one'],
    ['unknown.test', '/', '404'],
  ];
  for (const [host, path, who] of table) assert.equal(await whoAnswers(host, path), who, `${host}${path}`);
});

describe('scenarios of the Ingress conformance tests', () => {
  before(async () => {
    const scratch = mkdtempSync(join(tmpdir(), `knit-test-${name}-scenarios-`));
    const authority = await CertificateAuthority.open(scratch);
    const host = 'foo.bar.com';
    const { cert, key } = await authority.identity('bar', { commonName: host, dnsNames: [host] });
    rmSync(scratch, { recursive: true, force: true });
    await cluster.apply(tlsSecret('bar-tls', cert, key));
  });
  ingressScenarios({ cluster: () => cluster, certificateOf });
});

test('a default backend gets what its hosts lead nowhere, and what nobody claims', async () => {
  const defaultBackend = { service: { name: 'two', port: { number: 80 } } };
  await cluster.apply(ingress('fallback', { 'fallback.test': [{ path: '/one', service: 'one' }] }, { defaultBackend }));
  await becomes('fallback.test', '/one', 'one');
  assert.equal(await whoAnswers('fallback.test', '/'), 'two');
  assert.equal(await whoAnswers('nobody.test', '/'), 'two');
  assert.equal(await whoAnswers('eu.shop.test', '/any/1'), 'two');
  await cluster.kubectl(['delete', 'ingress', 'fallback']);
  await becomes('nobody.test', '/', '404');
});

test('pods see the client in X-Forwarded-For, and not what it claims to be', async () => {
  const { told } = await ask('shop.test', '/', {
    headers: { 'x-forwarded-for': '1.2.3.4', 'x-forwarded-proto': 'https' },
  });
  const { 'x-forwarded-for': client, 'x-forwarded-proto': proto, 'x-forwarded-host': host } = told.headers ?? {};
  assert.deepEqual([client, proto, host], [cluster.config.addresses.host.host, 'http', 'shop.test']);
});

test('requests go through node ports, or straight to pods where that is asked for or there are none', async () => {
  const annotations = { backends: 'pods' };
  await cluster.apply(ingress('native', { 'native.test': [{ service: 'one' }] }, { annotations }));
  await becomes('native.test', '/', 'one');
  const seenBy = async (host: string, path = '/') => (await ask(host, path)).told.client?.replace('::ffff:', '');
  assert.equal(await seenBy('native.test'), address);
  assert.equal(await seenBy('shop.test', '/cart/pay'), address);
  // Under policy Cluster the second hop hides the proxy from those on the other node.
  const nodes = cluster.config.nodes.map((node) => node.address);
  const seen = new Set<string | undefined>();
  await eventually('a second hop', async () => {
    seen.add(await seenBy('shop.test'));
    return nodes.some((node) => seen.has(node));
  });
  assert.ok(
    [...seen].every((each) => each === address || nodes.includes(each ?? '')),
    [...seen].join(),
  );
  const said = await eventsOf(cluster, 'hosts');
  assert.ok(
    said.includes('ContainerNative default/three has no node ports: requests go straight to its pods'),
    said.join('\n'),
  );
});

test('knit balance compares both ways, and measures the one in force', async () => {
  const measured = cluster.knit(['balance', 'ingress/native', '--live', '4', '-o', 'json']);
  let done = false;
  const sent = measured.finally(() => {
    done = true;
  });
  while (!done) await ask('native.test');
  const { backends } = JSON.parse(await sent);
  const [{ mode, pods, throughNodes, measured: counts, service }] = backends;
  assert.deepEqual([mode, service, pods.length], ['pods', 'default/one:http', 2]);
  assert.ok(throughNodes.secondHop > 0.4, 'through node ports about half would take a second hop');
  const [some = 0, others = 0] = Object.values<number>(counts);
  assert.ok(Math.abs(some - others) <= 2 && some > 0, `straight to pods in turn: ${some} and ${others}`);
});

test('of two Ingresses the older keeps a path, and the younger is told; it follows when the older goes', async () => {
  await cluster.apply(ingress('older', { 'claim.test': [{ service: 'one' }] }));
  await becomes('claim.test', '/', 'one');
  await eventually('a second to pass', async () => {
    const { metadata } = await cluster.get<{ metadata: { creationTimestamp: string } }>('ingress', 'older');
    return Date.now() > Date.parse(metadata.creationTimestamp) + 1000;
  });
  await cluster.apply(ingress('a-younger', { 'claim.test': [{ service: 'two' }, { path: '/own', service: 'two' }] }));
  await becomes('claim.test', '/own', 'two');
  assert.equal(await whoAnswers('claim.test'), 'one');
  await eventually('the event', async () =>
    (await eventsOf(cluster, 'a-younger')).includes(
      'Conflict claim.test/ is served by Ingress default/older, which is older',
    ),
  );
  await cluster.kubectl(['delete', 'ingress', 'older']);
  await becomes('claim.test', '/', 'two');
});

test('what cannot be served is said, and takes nobody else down', async () => {
  const resource = { apiGroup: 'example.com', kind: 'Bucket', name: 'static' };
  await cluster.apply(
    ingress(
      'poor',
      {
        'poor.test': [
          { path: '/gone', service: 'gone' },
          { path: '/port', service: 'one', port: 'gone' },
        ],
      },
      { annotations: { 'timeout-connect': 'soon', 'redirect-code': '200' }, defaultBackend: { resource } },
    ),
  );
  await becomes('poor.test', '/gone', '503');
  assert.equal(await whoAnswers('poor.test', '/port'), '503');
  assert.equal(await whoAnswers('poor.test', '/'), '404');
  assert.equal(await whoAnswers('shop.test'), 'one');
  await eventually('all events', async () => {
    const reasons = (await eventsOf(cluster, 'poor')).map((each) => each.split(' ')[0]).toSorted();
    return reasons.join() === 'InvalidSetting,InvalidSetting,PortNotFound,ServiceNotFound,UnsupportedBackend';
  });
});

test('classes: others are left alone, parameters are defaults, a chart without a class gets the default one', async () => {
  await cluster.apply(
    { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'direct' }, data: { backends: 'pods', redirect: '/x' } },
    {
      apiVersion: 'networking.k8s.io/v1',
      kind: 'IngressClass',
      metadata: { name: 'direct' },
      spec: {
        controller: 'knit.dev/ingress-controller',
        parameters: { kind: 'ConfigMap', name: 'direct', namespace: 'default', scope: 'Namespace' },
      },
    },
    {
      apiVersion: 'networking.k8s.io/v1',
      kind: 'IngressClass',
      metadata: { name: 'other' },
      spec: { controller: 'a.b/c' },
    },
    ingress('foreign', { 'foreign.test': [{ service: 'one' }] }, { className: 'other' }),
    ingress('direct', { 'direct.test': [{ service: 'one' }] }, { className: 'direct' }),
    ingress(
      'legacy',
      { 'legacy.test': [{ service: 'one' }] },
      { annotations: { 'kubernetes.io/ingress.class': 'knit' } },
    ),
    ingress('chart', { 'chart.test': [{ path: '', type: 'ImplementationSpecific', service: 'one' }] }),
  );
  await becomes('direct.test', '/', '302');
  await becomes('legacy.test', '/', 'one');
  await becomes('chart.test', '/', 'one');
  assert.equal(await whoAnswers('foreign.test'), '404');
  const { spec } = await cluster.get<{ spec: { ingressClassName: string } }>('ingress', 'chart');
  assert.equal(spec.ingressClassName, 'knit');
  const { status } = await cluster.get<{ status: { loadBalancer: object } }>('ingress', 'foreign');
  assert.deepEqual(status.loadBalancer, {});
});

test('redirects, a rewritten prefix and time-outs are annotations', async () => {
  const of = (service: string, annotations: Record<string, string>, path = '/') =>
    ingress(
      `a-${Object.keys(annotations)[0]}`,
      { [`${Object.keys(annotations)[0]}.test`]: [{ path, service }] },
      { annotations },
    );
  await cluster.apply(
    of('one', { 'https-redirect': 'true' }),
    of('one', { redirect: 'https://new.test/there', 'redirect-code': '301' }),
    of('one', { 'replace-prefix': '/api/v2' }, '/api'),
    of('one', { 'timeout-response': '200ms' }),
  );
  await becomes('timeout-response.test', '/', 'one');
  await becomes('https-redirect.test', '/a?b=c', '308');
  assert.equal((await ask('https-redirect.test', '/a?b=c')).headers.location, 'https://https-redirect.test/a?b=c');
  assert.equal(await whoAnswers('https-redirect.test', '/', { servername: 'https-redirect.test' }), 'one');
  const { status, headers } = await ask('redirect.test', '/x');
  assert.deepEqual([status, headers.location], [301, 'https://new.test/there']);
  for (const [asked, seen] of [
    ['/api', '/api/v2'],
    ['/api/', '/api/v2/'],
    ['/api/api/users?q=%41', '/api/v2/api/users?q=%41'],
  ]) {
    assert.equal((await ask('replace-prefix.test', asked)).told.path, seen);
  }
  assert.equal(await whoAnswers('timeout-response.test', '/?wait=3000'), '504');
});

test('a cookie keeps a client on one pod', async () => {
  const annotations = { affinity: 'cookie', 'affinity-cookie': 'place' };
  await cluster.apply(ingress('sticky', { 'sticky.test': [{ service: 'one' }] }, { annotations }));
  await becomes('sticky.test', '/', 'one');
  const first = await ask('sticky.test');
  const cookie = first.headers['set-cookie']?.[0]?.split(';')[0] ?? '';
  assert.match(cookie, /^place=\w+$/);
  const pods = new Set<string | undefined>();
  for (let i = 0; i < 12; i++) pods.add((await ask('sticky.test', '/', { headers: { cookie } })).told.pod);
  assert.deepEqual([...pods], [first.told.pod]);
});

test('a canary gets its part by weight, and who asks for it by header', async () => {
  const canary = (weight: string) =>
    ingress(
      'canary',
      { 'split.test': [{ service: 'two' }] },
      {
        annotations: { canary: 'true', 'canary-weight': weight, 'canary-header': 'X-Canary' },
      },
    );
  await cluster.apply(ingress('main', { 'split.test': [{ service: 'one' }] }), canary('30'));
  await becomes('split.test', '/', 'two', { headers: { 'x-canary': 'always' } });
  assert.equal(await whoAnswers('split.test', '/', { headers: { 'x-canary': 'never' } }), 'one');
  const answers = await Promise.all(Array.from({ length: 300 }, () => whoAnswers('split.test')));
  const part = answers.filter((who) => who === 'two').length;
  assert.ok(part > 45 && part < 140, `${part} of 300 at a weight of 30`);
  assert.equal(part + answers.filter((who) => who === 'one').length, 300);
  await cluster.apply(canary('0'));
  await eventually('no part at a weight of 0', async () => {
    const some = await Promise.all(Array.from({ length: 20 }, () => whoAnswers('split.test')));
    return some.every((who) => who === 'one');
  });
});

test('WebSocket, server-sent events, HTTP/2, gRPC and large bodies pass', async () => {
  const socket = new WebSocket(`ws://${address}/`, { headers: { host: 'shop.test' } });
  await once(socket, 'open');
  socket.send('hello');
  assert.equal(String((await once(socket, 'message'))[0]), 'hello');
  socket.terminate();

  const stream = request({ host: address, path: '/cart/events', headers: { host: 'shop.test' }, agent: false }).end();
  const [response] = await once(stream, 'response');
  assert.equal(String((await once(response, 'data'))[0]), 'data: first\n\n');
  const second = once(response, 'data');
  await ask('shop.test', '/cart/events/next');
  assert.equal(String((await second)[0]), 'data: second\n\n');

  const body = randomBytes(20_000_000);
  const { told } = await ask('shop.test', '/upload', { method: 'POST', body });
  assert.deepEqual([told.bytes, told.sha256], [body.length, createHash('sha256').update(body).digest('hex')]);
  assert.equal((await ask('shop.test', '/?bytes=20000000')).text.length, 20_000_000);

  await cluster.apply(ingress('grpc', { 'grpc.test': [{ service: 'one', port: 'h2c' }] }));
  await eventually('gRPC to pass', async () => (await grpcEcho('grpc.test', 'ping')) === 'ping h2c 0');
});

test('pods that want TLS get it: because their Service says so, because an Ingress does, and gRPC by ALPN', async (t) => {
  const authority = await testAuthority(t);
  const { cert, key } = await authority.identity('pods', { commonName: 'pods' });
  await cluster.apply(tlsSecret('pods', cert, key), ...webServer('secure', { tlsSecret: 'pods' }));
  const secure = [{ service: 'secure', port: 'https' }];
  await cluster.apply(
    ingress('tls-service', { 'tls-service.test': secure }),
    ingress(
      'tls-pods',
      { 'tls-pods.test': secure },
      { annotations: { 'backend-protocol': 'https', backends: 'pods' } },
    ),
    ingress('tls-grpc', { 'tls-grpc.test': secure }, { annotations: { 'backend-protocol': 'grpcs' } }),
  );
  for (const host of ['tls-service.test', 'tls-pods.test']) {
    await becomes(host, '/', 'secure');
    assert.equal((await ask(host)).told.tls, 'TLSv1.3');
  }
  await eventually('gRPC to pass', async () => (await grpcEcho('tls-grpc.test', 'ping')) === 'ping h2 0');
  await cluster.kubectl([
    'delete',
    'deployment/secure',
    'service/secure',
    'ingress/tls-service',
    'ingress/tls-pods',
    'ingress/tls-grpc',
  ]);
});

/** Says it by gRPC to `host`, and returns what came back, by which protocol the pod was spoken to, and the status. */
async function grpcEcho(host: string, text: string): Promise<string> {
  const session = connectHttp2(`https://${address}`, { servername: host, rejectUnauthorized: false });
  const stream = session.request({
    ':method': 'POST',
    ':path': '/echo.Echo/Say',
    ':authority': host,
    'content-type': 'application/grpc',
    te: 'trailers',
  });
  let trailers: Record<string, unknown> = {};
  let alpn: unknown;
  stream.on('response', (headers) => {
    alpn = headers['x-alpn'];
  });
  stream.on('trailers', (headers) => {
    trailers = headers;
  });
  stream.end(text);
  const chunks: Buffer[] = [];
  for await (const chunk of stream) chunks.push(chunk);
  session.close();
  return `${Buffer.concat(chunks)} ${alpn} ${trailers['grpc-status']}`;
}

test('the PROXY protocol is spoken to pods where asked for, and taken from those the class trusts', async () => {
  const annotations = { 'send-proxy-protocol': 'v1', backends: 'pods' };
  await cluster.apply(ingress('proxied', { 'proxied.test': [{ service: 'one', port: 'proxy' }] }, { annotations }));
  await eventually('the header to arrive', async () => {
    const { told } = await ask('proxied.test');
    return told.proxy?.startsWith(`PROXY TCP4 ${cluster.config.addresses.host.host} `);
  });
  const trusted = `${cluster.config.addresses.host.host}/32`;
  await cluster.apply({
    apiVersion: 'v1',
    kind: 'ConfigMap',
    metadata: { name: 'direct' },
    data: { 'accept-proxy-protocol-from': trusted },
  });
  const raw =
    'PROXY TCP4 192.0.2.7 192.0.2.1 4000 80\r\nGET / HTTP/1.1\r\nHost: direct.test\r\nConnection: close\r\n\r\n';
  await eventually('the header to be believed', async () =>
    (await askRaw(raw)).includes('"x-forwarded-for":"192.0.2.7"'),
  );
  await cluster.kubectl(['delete', 'ingress', 'direct']);
  await becomes('shop.test', '/', 'one');
});

async function askRaw(text: string): Promise<string> {
  const socket = connect(80, address);
  socket.end(text);
  const chunks: Buffer[] = [];
  for await (const chunk of socket) chunks.push(chunk);
  return Buffer.concat(chunks).toString();
}

test('certificates follow their Secrets at once, by name; a broken one harms nobody else', async (t) => {
  const authority = await testAuthority(t);
  const secret = async (secretName: string, serial: string, host: string) => {
    const { cert, key } = await authority.identity(`${secretName}-${serial}`, { commonName: serial, dnsNames: [host] });
    return tlsSecret(secretName, cert, key);
  };
  await cluster.apply(
    await secret('good', 'good-1', 'good.test'),
    await secret('names', 'names-1', 'names.test'),
    tlsSecret('broken', 'no certificate', 'no key'),
    ingress('tls', { 'good.test': [{ service: 'one' }] }, { tls: [{ hosts: ['good.test'], secretName: 'good' }] }),
    ingress('tls-names', { 'names.test': [{ service: 'one' }] }, { tls: [{ secretName: 'names' }] }),
    ingress(
      'tls-broken',
      { 'broken.test': [{ service: 'one' }] },
      {
        tls: [
          { hosts: ['broken.test'], secretName: 'broken' },
          { hosts: ['missing.test'], secretName: 'missing' },
        ],
      },
    ),
  );
  const shown = (host: string, who: string) =>
    eventually(`${host} to show ${who}`, async () => (await certificateOf(host)) === who);
  await shown('good.test', 'good-1');
  await shown('names.test', 'names-1');
  await becomes('broken.test', '/', 'one', { servername: 'broken.test' });
  assert.equal(await certificateOf('broken.test'), 'knit-ingress');
  await eventually('the events', async () => (await eventsOf(cluster, 'tls-broken')).length === 2);

  await cluster.apply(await secret('good', 'good-2', 'good.test'));
  await shown('good.test', 'good-2');
  await cluster.apply(await secret('broken', 'broken-2', 'broken.test'));
  await shown('broken.test', 'broken-2');
  await cluster.apply(tlsSecret('good', 'nonsense', 'nonsense'));
  await shown('good.test', 'knit-ingress');
  assert.equal(await certificateOf('names.test'), 'names-1');
  await cluster.kubectl(['delete', 'ingress', 'tls-names']);
  await shown('names.test', 'knit-ingress');
});

async function testAuthority(t: TestContext): Promise<CertificateAuthority> {
  const scratch = mkdtempSync(join(tmpdir(), `knit-test-${name}-pki-`));
  t.after(() => rmSync(scratch, { recursive: true, force: true }));
  return await CertificateAuthority.open(scratch);
}

function tlsSecret(secretName: string, cert: string, key: string) {
  const data = { 'tls.crt': btoa(cert), 'tls.key': btoa(key) };
  return { apiVersion: 'v1', kind: 'Secret', type: 'kubernetes.io/tls', metadata: { name: secretName }, data };
}

/** The common name of the certificate that is shown for a host. */
async function certificateOf(servername: string): Promise<string | undefined> {
  const socket = connectTLS({ host: address, port: 443, servername, rejectUnauthorized: false });
  await once(socket, 'secureConnect');
  const { raw } = socket.getPeerCertificate();
  socket.destroy();
  return new X509Certificate(raw).subject.replace('CN=', '');
}

test('knit logs tells of each request: client, Ingress, node and pod; metrics are there for the cluster', async () => {
  const logged = async (...flags: string[]) =>
    (await cluster.knit(['logs', 'ingress', '-o', 'json', ...flags]))
      .split('\n')
      .filter((line) => line.includes('/logged'))
      .map((line) => JSON.parse(line));
  const direct = (await ask('native.test', '/logged?native')).told.pod;
  const byNode = (await ask('shop.test', '/logged?nodes')).told.pod;
  const [first, second] = await eventually('both lines', async () => {
    const lines = await logged();
    return lines.length === 2 && lines;
  });
  assert.deepEqual([first.ingress, first.service, first.pod], ['default/native', 'default/one:http', direct]);
  assert.deepEqual([second.ingress, second.path, second.pod], ['default/hosts', '/logged?nodes', byNode]);
  assert.match(first.client, new RegExp(`^${cluster.config.addresses.host.host}:`));
  assert.ok(first.ms.total >= first.ms.response && first.ms.response >= 0);
  assert.deepEqual(await logged('--ingress', 'default/hosts'), [second]);
  assert.match(
    await cluster.knit(['logs', 'ingress', '--tail', '1']),
    /200 GET http:\/\/shop.test\/logged\?nodes .*→ default\/hosts →/,
  );
  const metrics = await cluster.kubectl(['exec', 'deploy/two', '--', 'wget', '-qO-', `http://${address}:8404/metrics`]);
  assert.match(
    metrics,
    /haproxy_server_http_responses_total\{proxy="default_one_http\w*",server="node-1:one-[^"]+",code="2xx"\} \d/,
  );
});
