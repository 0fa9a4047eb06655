import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { connect as connectHttp2 } from 'node:http2';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { CertificateAuthority } from '../src/cluster/pki.ts';
import { Commands } from '../src/edge/ingress/haproxy/commands.ts';
import { proxyFiles } from '../src/edge/ingress/index.ts';
import type { Explanation } from '../src/trace/explain/model.ts';
import { eventually, startCluster, type TestCluster } from './support/cluster.ts';
import { addressOf, certificateAt, conditionsOf, gateway, route, rule } from './support/gateway.ts';
import { type AskOptions, ask, ingress, webServer } from './support/ingress.ts';
import { machineState } from './support/machine.ts';

const name = 't-gateway';
let cluster: TestCluster;
let pristine: string[];

before(async () => {
  pristine = await machineState(name);
  cluster = await startCluster(name, ['--nodes', '2', '--gateway-api']);
  const [cert, key] = await identity('pods.test');
  await cluster.apply(
    tlsSecret('pods-tls', cert, key),
    ...webServer('one', { replicas: 2 }),
    ...webServer('two', { tlsSecret: 'pods-tls' }),
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

/** `one`, `two`, `three`, or the status of what no pod answered. */
const whoAnswers = async (address: string, host: string, path = '/', options: AskOptions = {}) => {
  const { status, told } = await ask(address, host, path, options);
  return status === 200 ? (told.pod?.split('-')[0] ?? 'nobody') : String(status);
};
const becomes = (who: string, address: string, host: string, path = '/', options: AskOptions = {}) =>
  eventually(`${host}${path} to be answered by ${who}`, async () => {
    return (await whoAnswers(address, host, path, options)) === who;
  });
/** A route that came later than another may be a later plan of the proxy, and is told of later. */
const isTold = (kind: string, object: string, condition: string) =>
  eventually(`${kind}/${object} to be told ${condition}`, async () =>
    (await conditionsOf(cluster, kind, object)).includes(condition),
  );
const runs = async () => (await machineState(name)).some((line) => line.startsWith('process haproxy'));

test('the class is there and accepted, with what it serves', async () => {
  await cluster.kubectl(['wait', '--for=create', 'gatewayclass/knit', '--timeout=30s']);
  await cluster.kubectl(['wait', '--for=condition=Accepted', 'gatewayclass/knit', '--timeout=30s']);
  const { status } = await cluster.get<{ status: { supportedFeatures: { name: string }[] } }>('gatewayclass', 'knit');
  const names = status.supportedFeatures.map((each) => each.name);
  assert.ok(names.includes('HTTPRoute'));
  assert.deepEqual(names, names.toSorted());
});

test('a Gateway has an address of its own as long as it is there, and the proxy runs as long as there is one', async () => {
  assert.equal(await runs(), false);
  await cluster.apply(gateway('first'), gateway('second'), route('first', 'first', [rule('/', 'one')]));
  const [first, second] = [await addressOf(cluster, 'first'), await addressOf(cluster, 'second')];
  assert.notEqual(first, second);
  assert.ok(!cluster.config.addresses.ingress.includes(first));
  await becomes('one', first, 'any.test');
  assert.equal(await whoAnswers(second, 'any.test'), '404');
  const traced = await cluster.knit(['trace', 'client/alice', first, '--port', '80']);
  assert.match(traced, /fabric +c-alice → ingress.*\n.*ingress +eth0/);
  assert.match(traced, / · as predicted$/m);
  const columns = await cluster.kubectl(['get', 'gateway', 'first', '--no-headers']);
  assert.match(columns, new RegExp(`^first +knit +${first} +True `));
  await cluster.kubectl(['delete', 'gateway', 'first', 'second']);
  await cluster.kubectl(['delete', 'httproute', 'first']);
  await eventually('the proxy to be gone', async () => !(await runs()));
  await eventually('its Services to be gone', async () => {
    return !(await cluster.kubectl(['get', 'services'])).includes('-knit');
  });
});

test('host, path, method, headers and queries decide, in the order of the specification', async () => {
  const exact = { path: { type: 'Exact', value: '/a/exact' } };
  const v2 = { path: { type: 'PathPrefix', value: '/a' }, headers: [{ name: 'Version', value: 'two, or 2' }] };
  const regex = { path: { type: 'RegularExpression', value: '/r/[0-9]+' } };
  await cluster.apply(
    gateway('matches'),
    route('paths', 'matches', [
      rule('/', 'one'),
      rule('/a', 'two'),
      rule(exact, 'three'),
      rule(v2, 'three'),
      rule({ method: 'PUT' }, 'two'),
      rule({ queryParams: [{ name: 'q', value: 'a b' }] }, 'three'),
      rule(regex, 'two'),
    ]),
    route('hosts', 'matches', [rule('/', 'two')], { hostnames: ['*.wild.test'] }),
    route('host', 'matches', [rule('/only', 'three')], { hostnames: ['exact.wild.test'] }),
  );
  const address = await addressOf(cluster, 'matches');
  await becomes('one', address, 'any.test');
  const table: readonly (readonly [string, string, string, AskOptions?])[] = [
    ['any.test', '/ab', 'one'],
    ['any.test', '/a', 'two'],
    ['any.test', '/a/b?x=y', 'two'],
    ['any.test', '/a/exact', 'three'],
    ['any.test', '/a/exact/', 'two'],
    ['any.test', '/a/b', 'three', { headers: { version: 'two, or 2' } }],
    ['any.test', '/a/b', 'two', { headers: { version: '2' } }],
    ['any.test', '/', 'two', { method: 'PUT' }],
    ['any.test', '/?q=a%20b', 'three'],
    ['any.test', '/r/12', 'two'],
    ['any.test', '/r/12/x', 'one'],
    ['a.b.WILD.test:80', '/', 'two'],
    ['wild.test', '/', 'one'],
    ['exact.wild.test', '/only/x', 'three'],
    ['exact.wild.test', '/', 'two'],
  ];
  for (const [host, path, who, options] of table) {
    await eventually(`${host}${path} to be answered by ${who}`, async () => {
      return (await whoAnswers(address, host, path, options)) === who;
    });
  }
  await cluster.kubectl(['delete', 'gateway/matches', 'httproute/paths', 'httproute/hosts', 'httproute/host']);
});

test('weights share requests; the share of what is not there is answered with 500', async () => {
  const backends = [
    { name: 'one', port: 80, weight: 6 },
    { name: 'two', port: 80, weight: 2 },
    { name: 'missing', port: 80, weight: 2 },
    { name: 'three', port: 80, weight: 0 },
  ];
  await cluster.apply(gateway('weights'), route('weights', 'weights', [rule('/', ...backends)]));
  const address = await addressOf(cluster, 'weights');
  await becomes('one', address, 'any.test');
  const answers = await Promise.all(Array.from({ length: 500 }, () => whoAnswers(address, 'any.test')));
  const share = (who: string) => answers.filter((each) => each === who).length / answers.length;
  assert.ok(Math.abs(share('one') - 0.6) < 0.1, `one has ${share('one')}`);
  assert.ok(Math.abs(share('two') - 0.2) < 0.1, `two has ${share('two')}`);
  assert.deepEqual([...new Set(answers)].toSorted(), ['500', 'one', 'two']);
  await isTold('httproute', 'weights', 'ResolvedRefs: False BackendNotFound');
  await cluster.kubectl(['delete', 'gateway/weights', 'httproute/weights']);
});

test('filters change headers, hosts and paths, or send elsewhere', async () => {
  const modify = {
    set: [{ name: 'X-Set', value: '100% "it\'s"' }],
    add: [{ name: 'X-Add', value: 'b' }],
    remove: ['X-Gone'],
  };
  const rewrite = { hostname: 'inside.test', path: { type: 'ReplacePrefixMatch', replacePrefixMatch: '/' } };
  const redirect = {
    scheme: 'https',
    path: { type: 'ReplacePrefixMatch', replacePrefixMatch: '/new' },
    statusCode: 301,
  };
  await cluster.apply(
    gateway('filters'),
    route('filters', 'filters', [
      {
        ...rule('/api', {
          name: 'one',
          port: 80,
          filters: [{ type: 'RequestHeaderModifier', requestHeaderModifier: modify }],
        }),
        filters: [
          { type: 'URLRewrite', urlRewrite: rewrite },
          { type: 'ResponseHeaderModifier', responseHeaderModifier: { set: [{ name: 'X-Answer', value: 'yes' }] } },
        ],
      },
      { ...rule('/old'), filters: [{ type: 'RequestRedirect', requestRedirect: redirect }] },
    ]),
  );
  const address = await addressOf(cluster, 'filters');
  await becomes('one', address, 'any.test', '/api');
  const { told, headers } = await ask(address, 'any.test', '/api/x?y=z', {
    headers: { 'x-add': 'a', 'x-gone': 'here' },
  });
  assert.equal(told.path, '/x?y=z');
  assert.deepEqual(
    [told.headers?.host, told.headers?.['x-set'], told.headers?.['x-add'], told.headers?.['x-gone']],
    ['inside.test', '100% "it\'s"', 'a, b', undefined],
  );
  assert.equal(headers['x-answer'], 'yes');
  const moved = await ask(address, 'any.test', '/old/x?y=z');
  assert.deepEqual([moved.status, moved.headers.location], [301, 'https://any.test/new/x?y=z']);
  await cluster.kubectl(['delete', 'gateway/filters', 'httproute/filters']);
});

test('HTTPS listeners have their certificates and routes to themselves', async () => {
  const [a, b] = [await identity('a.test'), await identity('b.test')];
  const https = (listener: string, hostname?: string) => ({
    name: listener,
    port: 443,
    protocol: 'HTTPS',
    hostname,
    tls: { certificateRefs: [{ name: `${listener}-tls` }] },
  });
  await cluster.apply(
    tlsSecret('a-tls', ...a),
    tlsSecret('b-tls', ...b),
    gateway('secure', [https('a'), https('b', 'b.test')]),
    route('secure-a', 'secure', [rule('/', 'one')], { sectionName: 'a' }),
    route('secure-b', 'secure', [rule('/only', 'two')], { sectionName: 'b' }),
  );
  const address = await addressOf(cluster, 'secure');
  await becomes('one', address, 'x.test', '/', { servername: 'x.test' });
  await becomes('two', address, 'b.test', '/only', { servername: 'b.test' });
  assert.equal(await certificateAt(address, 443, 'x.test'), 'a.test');
  assert.equal(await certificateAt(address, 443, 'b.test'), 'b.test');
  assert.equal(await whoAnswers(address, 'b.test', '/', { servername: 'b.test' }), '404');
  assert.equal(await whoAnswers(address, 'b.test', '/only', { servername: 'x.test' }), '421');
  const renewed = await identity('c.test');
  await cluster.apply(tlsSecret('b-tls', ...renewed));
  await eventually('the new certificate to be shown', async () => {
    return (await certificateAt(address, 443, 'b.test')) === 'c.test';
  });
  await cluster.kubectl(['delete', 'gateway/secure', 'httproute/secure-a', 'httproute/secure-b']);
});

test('a gRPC call is led by its service and method', async () => {
  const method = (service: string, method?: string) => ({ method: { service, method } });
  const backend = (name: string) => ({ name, port: 81 });
  await cluster.apply(
    gateway('calls'),
    route(
      'calls',
      'calls',
      [rule(method('shop.Cart'), backend('one')), rule(method('shop.Cart', 'Pay'), backend('two'))],
      {
        kind: 'GRPCRoute',
      },
    ),
  );
  const address = await addressOf(cluster, 'calls');
  const call = (path: string): Promise<string> =>
    new Promise((resolve, reject) => {
      const session = connectHttp2(`http://${address}`).on('error', reject);
      const stream = session.request({ ':method': 'POST', ':path': path, 'content-type': 'text/plain' });
      let text = '';
      stream.setEncoding('utf8').on('data', (data: string) => {
        text += data;
      });
      stream.on('error', reject).on('end', () => {
        session.close();
        resolve(text.startsWith('{') ? JSON.parse(text).pod.split('-')[0] : text.trim());
      });
      stream.end();
    });
  await eventually('the call to be led', async () => (await call('/shop.Cart/Add')) === 'one');
  assert.equal(await call('/shop.Cart/Pay'), 'two');
  assert.equal(await call('/shop.Carts/Add'), 'no route has this host and path');
  await cluster.kubectl(['delete', 'gateway/calls', 'grpcroute/calls']);
});

test('TLS is passed on to pods by its server name, or ends at the Gateway', async () => {
  const [ends, key] = await identity('ends.test');
  const tls = (listener: string, port: number, mode: object) => ({ name: listener, port, protocol: 'TLS', tls: mode });
  const options = (sectionName: string) => ({ kind: 'TLSRoute' as const, hostnames: ['*.tls.test'], sectionName });
  await cluster.apply(
    tlsSecret('ends-tls', ends, key),
    gateway('streams', [
      tls('passes', 443, { mode: 'Passthrough' }),
      tls('ends', 8443, { mode: 'Terminate', certificateRefs: [{ name: 'ends-tls' }] }),
    ]),
    route('passes', 'streams', [{ backendRefs: [{ name: 'two', port: 443 }] }], options('passes')),
    route('ends', 'streams', [{ backendRefs: [{ name: 'one', port: 80 }] }], options('ends')),
  );
  const address = await addressOf(cluster, 'streams');
  await eventually(
    'TLS to reach the pods',
    async () => (await certificateAt(address, 443, 'a.tls.test')) === 'pods.test',
  );
  await becomes('one', address, 'whatever.test', '/', { servername: 'a.tls.test', port: 8443 });
  assert.equal(await certificateAt(address, 443, 'other.test'), undefined);
  assert.equal(await certificateAt(address, 8443, 'a.tls.test'), 'ends.test');
  await cluster.kubectl(['delete', 'gateway/streams', 'tlsroute/passes', 'tlsroute/ends']);
});

test('what cannot be served is told, and the rest is served', async () => {
  const [cert, key] = await identity('late.test');
  const https = { name: 'https', port: 443, protocol: 'HTTPS', tls: { certificateRefs: [{ name: 'late-tls' }] } };
  await cluster.apply(
    gateway('told', [{ name: 'http', port: 80, protocol: 'HTTP' }, { name: 'udp', port: 53, protocol: 'UDP' }, https]),
    route('told', 'told', [rule('/', 'one')]),
    route('astray', 'told', [rule('/', 'one')], { sectionName: 'none' }),
    route('mirrors', 'told', [
      {
        ...rule('/mirror', 'one'),
        filters: [{ type: 'RequestMirror', requestMirror: { backendRef: { name: 'two', port: 80 } } }],
      },
    ]),
  );
  const address = await addressOf(cluster, 'told');
  await becomes('one', address, 'any.test');
  const told = await conditionsOf(cluster, 'gateway', 'told');
  for (const each of [
    'Accepted: True ListenersNotValid',
    'udp Accepted: False UnsupportedProtocol',
    'https ResolvedRefs: False InvalidCertificateRef',
    'https Programmed: False Invalid',
    'http Programmed: True Programmed',
  ]) {
    assert.ok(told.includes(each), `${each} is not in ${told.join('; ')}`);
  }
  await isTold('httproute', 'astray', 'Accepted: False NoMatchingParent');
  await isTold('httproute', 'mirrors', 'Accepted: False UnsupportedValue');
  await cluster.apply(tlsSecret('late-tls', cert, key));
  await becomes('one', address, 'any.test', '/', { servername: 'any.test' });
  await cluster.kubectl(['delete', 'gateway/told', 'httproute/told', 'httproute/astray', 'httproute/mirrors']);
});

test('explain says which route has a URL, and why another one is not answered', async () => {
  const other = { ...gateway('other'), spec: { ...gateway('other').spec, gatewayClassName: 'other' } };
  await cluster.apply(
    gateway('asked'),
    route('asked', 'asked', [rule('/one', 'one'), rule('/three', 'three'), rule('/gone', 'gone')]),
    route('astray', 'asked', [rule('/', 'one')], { hostnames: ['astray.test'], sectionName: 'none' }),
    {
      apiVersion: 'gateway.networking.k8s.io/v1',
      kind: 'GatewayClass',
      metadata: { name: 'other' },
      spec: { controllerName: 'example.com/other' },
    },
    other,
  );
  const address = await addressOf(cluster, 'asked');
  const explain = async (to: string) => {
    const { stdout } = await cluster.tryKnit(['explain', 'client/alice', to, '-o', 'json']);
    const { verdict, findings, checks } = JSON.parse(stdout) as Explanation;
    return { verdict, codes: findings.map(({ code }) => code), texts: checks.map(({ text }) => text) };
  };
  for (const path of ['/one', '/three/x']) {
    const { verdict, codes, texts } = await explain(`http://${address}${path}`);
    assert.deepEqual([path, verdict, codes], [path, 'allowed', []]);
    assert.ok(texts.some((each) => /^HTTPRoute default\/asked, rule [12]: any host, path \/(one|three)$/.test(each)));
    assert.ok(texts.some((each) => / listens on TCP port 8080$/.test(each)));
  }
  const denied = [
    [`http://${address}/`, 'ROUTE_PATH_UNKNOWN'],
    [`http://${address}/gone`, 'ROUTE_BACKEND_MISSING'],
    [`http://${address}:81/`, 'GATEWAY_PORT_UNKNOWN'],
    ['http://astray.test/', 'ROUTE_LISTENER_UNKNOWN'],
  ] as const;
  for (const [to, code] of denied) {
    const { verdict, codes } = await explain(to);
    assert.deepEqual([to, verdict, codes], [to, 'denied', [code]]);
  }
  const foreign = await explain('gateway/default/other');
  assert.deepEqual([foreign.verdict, foreign.codes], ['unknown', []]);
  assert.match(foreign.texts.join(), /class other is served by example\.com\/other, which said nothing yet/);
  const swept = await cluster.knit(['explain', '--all']);
  assert.match(swept, /ROUTE_LISTENER_UNKNOWN/);
  assert.match(swept, /looked at .*2 gateways, 2 routes/);
  await cluster.kubectl(['delete', 'gateway/asked', 'gateway/other', 'httproute/asked', 'httproute/astray']);
  await cluster.kubectl(['delete', 'gatewayclass/other']);
});

test('a trace to a Gateway’s URL goes on to the pod that answers', async () => {
  await cluster.apply(
    gateway('traced', [
      { name: 'http', port: 80, protocol: 'HTTP' },
      { name: 'passes', port: 443, protocol: 'TLS', tls: { mode: 'Passthrough' } },
    ]),
    route('traced', 'traced', [rule('/', 'one', 'two'), rule('/three', 'three')], { hostnames: ['traced.test'] }),
    route('passed', 'traced', [{ backendRefs: [{ name: 'two', port: 443 }] }], {
      kind: 'TLSRoute',
      hostnames: ['passed.test'],
    }),
  );
  const address = await addressOf(cluster, 'traced');
  await becomes('three', address, 'traced.test', '/three');
  const shown = async () => (await certificateAt(address, 443, 'passed.test')) === 'pods.test';
  await eventually('TLS to reach the pods', shown);
  const straight = await cluster.knit(['trace', 'client/alice', 'http://traced.test/three']);
  assert.match(straight, /^Gateway default\/traced http:\/\/traced\.test\/three\n/);
  assert.match(
    straight,
    /Gateway default\/traced: rule 2 of HTTPRoute default\/traced, .*path \/three → default_three_80/,
  );
  assert.match(straight, /pod default\/three-\S+ +eth0 .*delivered; the server sees \S+ \(ingress\)/);
  assert.match(straight, / · as predicted$/m);
  assert.match(straight, /HTTP\/1\.1 200 OK/);
  const drawn = await cluster.knit(['trace', 'client/alice', 'http://traced.test/']);
  const [, backend] = / → default_(one|two)_80; /.exec(drawn) ?? [];
  assert.match(drawn, new RegExp(`pod default/${backend}-\\S+ +eth0 .*delivered; the server sees`));
  assert.match(drawn, / · as predicted$/m);
  const nobody = await cluster.knit(['trace', 'client/alice', `http://${address}/`]);
  assert.match(nobody, / · no route has it, the proxy answers with 404\n/);
  const passed = await cluster.knit(['trace', 'client/alice', 'https://passed.test/']);
  assert.match(passed, /rule 1 of TLSRoute default\/passed, .*; by its time, for what is said there is encrypted\n/);
  assert.match(passed, /pod default\/two-\S+ +eth0 .*delivered; the server sees/);
  assert.match(passed, /client address lost · as predicted\n.*certificate for pods\.test/);
  await cluster.kubectl(['delete', 'gateway/traced', 'httproute/traced', 'tlsroute/passed']);
});

test('pods come and go without a reload, beside an Ingress that is served by the same proxy', async () => {
  await cluster.apply(
    gateway('steady'),
    route('steady', 'steady', [rule('/', 'three')]),
    ingress('beside', { 'beside.test': [{ service: 'two' }] }),
  );
  const address = await addressOf(cluster, 'steady');
  await becomes('three', address, 'any.test');
  await becomes('two', cluster.config.addresses.ingress, 'beside.test');
  const pods = async () => {
    const answers = await Promise.all(Array.from({ length: 40 }, () => ask(address, 'any.test')));
    assert.deepEqual([...new Set(answers.map(({ status }) => status))], [200]);
    return new Set(answers.map(({ told }) => told.pod)).size;
  };
  await eventually('one pod to answer', async () => (await pods()) === 1);
  // The backend that came last has its own name after a quiet time, with a reload.
  const worker = await eventually('the proxy to be quiet', async () => {
    const { pid, backends } = await proxyWorker();
    return /^default_three_80$/m.test(backends) && /^default_two_http/m.test(backends) && pid;
  });
  await cluster.kubectl(['scale', 'deployment/three', '--replicas=3']);
  await eventually('three pods to answer', async () => (await pods()) === 3);
  await cluster.kubectl(['scale', 'deployment/three', '--replicas=1']);
  await eventually('one pod to answer', async () => (await pods()) === 1);
  assert.equal((await proxyWorker()).pid, worker);
  await cluster.kubectl(['delete', 'gateway/steady', 'httproute/steady', 'ingress/beside']);
});

/** The process that answers, of which a reload makes a new one, and the names of its backends. */
async function proxyWorker(): Promise<{ pid: string | undefined; backends: string }> {
  const commands = await Commands.open(proxyFiles(join('/run/knit', name, 'ingress'), '').socket);
  try {
    const pid = /^Pid: (\d+)$/m.exec(await commands.send('show info'))?.[1];
    return { pid, backends: await commands.send('show backend') };
  } finally {
    commands.close();
  }
}

async function identity(host: string): Promise<[cert: string, key: string]> {
  const scratch = mkdtempSync(join(tmpdir(), `knit-test-${name}-`));
  const { cert, key } = await (await CertificateAuthority.open(scratch)).identity('x', {
    commonName: host,
    dnsNames: [host],
  });
  rmSync(scratch, { recursive: true, force: true });
  return [cert, key];
}

function tlsSecret(secretName: string, cert: string, key: string) {
  const data = { 'tls.crt': btoa(cert), 'tls.key': btoa(key) };
  return { apiVersion: 'v1', kind: 'Secret', type: 'kubernetes.io/tls', metadata: { name: secretName }, data };
}
