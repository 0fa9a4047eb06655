import assert from 'node:assert/strict';
import { test } from 'node:test';
import { formatPlan } from '../ingress/plan.ts';
import { type GRPCRoute, gatewayGroup, type Listener, type ReferenceGrant } from './objects.ts';
import { type GatewaysPlan, planGateways } from './plan.ts';
import { type TestWorld, testGateway, testListener, testRoute, testWorld } from './testing.ts';

const planOf = (world: TestWorld) => planGateways(testWorld(world));

/** The lines of a plan's ports. */
function linesOf(world: TestWorld): string[] {
  const { ports } = planOf(world);
  const empty = { routes: new Map(), backends: new Map(), certificates: new Map(), pems: new Map() };
  const text = formatPlan({ ...empty, ports, nodes: [], hosts: [], trustedProxies: [] });
  return text === '' ? [] : text.split('\n');
}

/** `KIND NAME Accepted: False REASON` of what does not hold. */
function problemsOf({ gateways, routes, policies }: GatewaysPlan): string[] {
  const told = (of: string, verdicts: readonly { type: string; status: string; reason: string }[]) =>
    verdicts
      .filter(({ type, status }) => (type === 'Conflicted') === (status === 'True'))
      .map(({ type, reason }) => `${of} ${type}: ${reason}`);
  return [
    ...gateways.flatMap(({ gateway, verdicts, listeners }) => [
      ...told(`Gateway ${gateway.metadata?.name}`, verdicts),
      ...listeners.flatMap((each) => told(`listener ${each.name}`, each.verdicts)),
    ]),
    ...routes.flatMap(({ route, parents }) =>
      parents.flatMap(({ verdicts }) => told(`route ${route.metadata?.name}`, verdicts)),
    ),
    ...policies.flatMap(({ policy, verdicts }) => told(`policy ${policy.metadata?.name}`, verdicts)),
  ];
}

const path = (value: string, type = 'PathPrefix') => ({ path: { type, value } });
const to = (...names: string[]) => names.map((name) => ({ name, port: 80 }));

function testGrant(namespace: string, from: string, kind: string, name?: string): ReferenceGrant {
  return {
    metadata: { namespace, name: 'grant' },
    spec: {
      from: [{ group: gatewayGroup, kind, namespace: from }],
      to: [{ group: '', kind: kind === 'Gateway' ? 'Secret' : 'Service', name }],
    },
  };
}

test('the longest path decides, and what it leaves open is asked in the order of the specification', () => {
  const route = testRoute('web', [
    { matches: [path('/')], backendRefs: to('web') },
    { matches: [{ ...path('/v2'), headers: [{ name: 'version', value: '2' }] }], backendRefs: to('api') },
    { matches: [{ ...path('/v2'), method: 'PUT' }], backendRefs: to('web') },
    { matches: [path('/v2/exactly', 'Exact')], backendRefs: to('api') },
    { matches: [path('/v[0-9]', 'RegularExpression')], backendRefs: to('api') },
  ]);
  assert.deepEqual(linesOf({ routes: [route], services: ['web', 'api'] }), [
    'shop_gw_80 / if path ~ /v[0-9] → shop_api_80 (shop/web)',
    'shop_gw_80 / → shop_web_80 (shop/web)',
    'shop_gw_80 /v2 if header version = 2 → shop_api_80 (shop/web)',
    'shop_gw_80 /v2 if method = PUT → shop_web_80 (shop/web)',
    'shop_gw_80 /v2 if path ~ /v[0-9] → shop_api_80 (shop/web)',
    'shop_gw_80 /v2 → shop_web_80 (shop/web)',
    'shop_gw_80 /v2/exactly (exactly) → shop_api_80 (shop/web)',
  ]);
  const [decided] = planOf({ routes: [route], services: ['web', 'api'] }).ports.get('shop_gw_80')?.hosts ?? [];
  const whens = decided?.paths.find((each) => each.path === '/v2')?.choices.map(({ when }) => when[0]?.on);
  assert.deepEqual(whens, ['path', 'method', 'header', undefined]);
});

test('the older route has what two want; of one route the first rule', () => {
  const young = testRoute('a', [{ backendRefs: to('web') }], { createdAt: '2026-01-02T00:00:00Z' });
  const old = testRoute('b', [{ backendRefs: to('api') }, { backendRefs: to('web') }]);
  assert.deepEqual(linesOf({ routes: [young, old], services: ['web', 'api'] }), [
    'shop_gw_80 / → shop_api_80 (shop/b)',
  ]);
});

test('a request is of the listener with the most specific host, and of its routes alone', () => {
  const listeners = [
    testListener({ name: 'any' }),
    testListener({ name: 'wild', hostname: '*.a.test' }),
    testListener({ name: 'one', hostname: 'x.a.test' }),
  ];
  const at = (sectionName: string, more = {}) => ({ parentRefs: [{ name: 'gw', sectionName }], ...more });
  const routes = [
    testRoute('any', [{ matches: [path('/any')], backendRefs: to('web') }], at('any', { hostnames: ['*.test'] })),
    testRoute('wild', [{ backendRefs: to('web') }], at('wild', { hostnames: ['y.a.test', '*.a.test', 'y.b.test'] })),
  ];
  const plan = planOf({ gateways: [testGateway('gw', listeners)], routes });
  const hosts = plan.ports.get('shop_gw_80')?.hosts.map(({ host, paths }) => {
    return `${host} ${paths.map((each) => `${each.path} ${each.choices[0]?.source ?? '-'}`).join(', ')}`;
  });
  assert.deepEqual(hosts, [
    'x.a.test / -',
    'y.a.test / shop/wild',
    '*.a.test / shop/wild',
    '*.test / -, /any shop/any',
    ' / -',
  ]);
  assert.deepEqual(
    plan.gateways[0]?.listeners.map(({ attachedRoutes }) => attachedRoutes),
    [1, 1, 0],
  );
});

test('listeners that cannot be served are told why, and the others serve', () => {
  const listeners = [
    testListener(),
    testListener({ name: 'udp', port: 53, protocol: 'UDP' }),
    testListener({ name: 'a', port: 81, hostname: 'a.test' }),
    testListener({ name: 'b', port: 81, hostname: 'A.test' }),
    testListener({ name: 'c', port: 82 }),
    testListener({ name: 'd', port: 82, protocol: 'TLS', tls: { mode: 'Passthrough' } }),
    testListener({ name: 'e', port: 443, protocol: 'HTTPS', tls: { certificateRefs: [{ name: 'none' }] } }),
    testListener({ name: 'tcp', protocol: 'TCP' }),
    testListener({ name: 'f', port: 83, allowedRoutes: { kinds: [{ kind: 'TCPRoute' }] } }),
  ];
  const plan = planOf({ gateways: [testGateway('gw', listeners)] });
  assert.deepEqual([...plan.ports.keys()], ['shop_gw_80', 'shop_gw_83']);
  assert.deepEqual(problemsOf(plan), [
    'listener udp Accepted: UnsupportedProtocol',
    'listener udp Programmed: Invalid',
    'listener a Accepted: HostnameConflict',
    'listener a Conflicted: HostnameConflict',
    'listener a Programmed: HostnameConflict',
    'listener b Accepted: HostnameConflict',
    'listener b Conflicted: HostnameConflict',
    'listener b Programmed: HostnameConflict',
    'listener c Accepted: ProtocolConflict',
    'listener c Conflicted: ProtocolConflict',
    'listener c Programmed: ProtocolConflict',
    'listener d Accepted: ProtocolConflict',
    'listener d Conflicted: ProtocolConflict',
    'listener d Programmed: ProtocolConflict',
    'listener e ResolvedRefs: InvalidCertificateRef',
    'listener e Programmed: Invalid',
    'listener tcp Accepted: ProtocolConflict',
    'listener tcp Conflicted: ProtocolConflict',
    'listener tcp Programmed: ProtocolConflict',
    'listener f ResolvedRefs: InvalidRouteKinds',
  ]);
  const kinds = plan.gateways[0]?.listeners.flatMap(({ name, kinds }) => (kinds.length > 0 ? [name] : []));
  assert.deepEqual(kinds, ['http', 'e']);
});

test('a Gateway none of whose listeners is accepted, or that nobody can reach, is not programmed', () => {
  const udp = testGateway('udp', [testListener({ protocol: 'UDP' })]);
  const named = testGateway('named');
  named.spec.addresses = [{ type: 'Hostname', value: 'a.test' }];
  const taken = testGateway('taken');
  taken.spec.addresses = [{ value: '192.0.2.200' }];
  const plan = planOf({ gateways: [udp, named, taken] });
  const ofGateways = problemsOf(plan).filter((each) => each.startsWith('Gateway'));
  assert.deepEqual(ofGateways, [
    'Gateway udp Accepted: ListenersNotValid',
    'Gateway udp Programmed: Invalid',
    'Gateway named Accepted: UnsupportedAddress',
    'Gateway named Programmed: Invalid',
    'Gateway taken Programmed: AddressNotUsable',
  ]);
  assert.deepEqual([...plan.ports.keys()], ['shop_taken_80']);
});

test('a route is told why no listener has it', () => {
  const other = { namespace: 'other' };
  const hosts = testGateway('gw', [testListener({ hostname: 'a.test' })]);
  const routes = [
    testRoute('section', [], { parentRefs: [{ name: 'gw', sectionName: 'none' }] }),
    testRoute('port', [], { parentRefs: [{ name: 'gw', port: 81 }] }),
    testRoute('namespace', [], other),
    testRoute('host', [], { hostnames: ['b.test'] }),
    testRoute('elsewhere', [], { parentRefs: [{ name: 'none' }] }),
    testRoute('filter', [{ filters: [{ type: 'RequestMirror' }] }]),
    testRoute('regex', [{ matches: [path('/(?<=x)', 'RegularExpression')] }]),
    testRoute('line', [{ matches: [{ headers: [{ name: 'a', value: 'b\nbackend c' }] }] }]),
  ];
  assert.deepEqual(problemsOf(planOf({ gateways: [hosts], routes })), [
    'route namespace Accepted: NotAllowedByListeners',
    'route filter Accepted: UnsupportedValue',
    'route host Accepted: NoMatchingListenerHostname',
    'route line Accepted: UnsupportedValue',
    'route port Accepted: NoMatchingParent',
    'route regex Accepted: UnsupportedValue',
    'route section Accepted: NoMatchingParent',
  ]);
});

test('listeners admit namespaces by their labels', () => {
  const selector = { matchLabels: { name: 'other' } };
  const gateway = testGateway('gw', [testListener({ allowedRoutes: { namespaces: { from: 'Selector', selector } } })]);
  const rules = [{ backendRefs: [{ name: 'web', namespace: 'shop', port: 80 }] }];
  const routes = [testRoute('a', rules), testRoute('b', rules, { namespace: 'other' })];
  const grants = [testGrant('shop', 'other', 'HTTPRoute')];
  assert.deepEqual(problemsOf(planOf({ gateways: [gateway], routes, grants })), [
    'route a Accepted: NotAllowedByListeners',
  ]);
});

test('what a backend reference cannot have is told, and its share answered with 500', () => {
  const elsewhere = { name: 'web', namespace: 'other', port: 80 };
  const broken = [{ name: 'web', port: 81 }, { name: 'none', port: 80 }, { kind: 'Bucket', name: 'web' }, elsewhere];
  for (const [index, reason] of ['BackendNotFound', 'BackendNotFound', 'InvalidKind', 'RefNotPermitted'].entries()) {
    const ref = broken[index]!;
    const routes = [
      testRoute('r', [
        {
          backendRefs: [
            { ...ref, weight: 1 },
            { name: 'web', port: 80, weight: 3 },
          ],
        },
      ]),
    ];
    const plan = planOf({ routes });
    assert.deepEqual(problemsOf(plan), [`route r ResolvedRefs: ${reason}`]);
    const [choice] = plan.ports.get('shop_gw_80')?.hosts[0]?.paths[0]?.choices ?? [];
    const shares = choice?.backends.map(({ backend, weight }) => [plan.answering.get(backend)?.policy.answer, weight]);
    assert.deepEqual(shares, [
      [500, 1],
      [undefined, 3],
    ]);
  }
});

test('a grant is for the kind and namespace that refer, and for the names that it has', () => {
  const gateway = testGateway('gw', [
    testListener({
      name: 'https',
      port: 443,
      protocol: 'HTTPS',
      tls: { certificateRefs: [{ name: 'x', namespace: 'keys' }] },
    }),
  ]);
  const reasonWith = (...grants: ReferenceGrant[]) => problemsOf(planOf({ gateways: [gateway], grants }))[1];
  const refused = 'listener https ResolvedRefs: RefNotPermitted';
  assert.equal(reasonWith(), refused);
  assert.equal(reasonWith(testGrant('keys', 'other', 'Gateway')), refused);
  assert.equal(reasonWith(testGrant('keys', 'shop', 'HTTPRoute')), refused);
  assert.equal(reasonWith(testGrant('keys', 'shop', 'Gateway', 'y')), refused);
  assert.equal(reasonWith(testGrant('shop', 'shop', 'Gateway')), refused);
  const missing = 'listener https ResolvedRefs: InvalidCertificateRef';
  assert.equal(reasonWith(testGrant('keys', 'shop', 'Gateway', 'x')), missing);
  assert.equal(reasonWith(testGrant('keys', 'shop', 'Gateway')), missing);
});

test('a host is for requests or for calls: the older route has it', () => {
  const calls: GRPCRoute = {
    kind: 'GRPCRoute',
    metadata: { name: 'calls', namespace: 'shop', creationTimestamp: '2026-01-02T00:00:00Z' },
    spec: {
      parentRefs: [{ name: 'gw' }],
      hostnames: ['a.test'],
      rules: [
        { matches: [{ method: { service: 'shop.Cart' } }, { method: { method: 'Pay' } }], backendRefs: to('web') },
      ],
    },
  };
  const rules = [{ backendRefs: to('web') }];
  const apart = { grpcRoutes: [calls], routes: [testRoute('web', rules, { hostnames: ['b.test'] })] };
  assert.deepEqual(problemsOf(planOf(apart)), []);
  assert.deepEqual(
    linesOf(apart).map((line) => line.replace(/ → .*/, '')),
    ['shop_gw_80 a.test/ if path ~ /[^/]+/Pay', 'shop_gw_80 a.test/shop.Cart', 'shop_gw_80 b.test/'],
  );
  const together = { grpcRoutes: [calls], routes: [testRoute('web', rules, { hostnames: ['*.test'] })] };
  assert.deepEqual(problemsOf(planOf(together)), ['route calls Accepted: HostnameConflict']);
});

test('a Gateway takes the listeners of sets that it admits, its own first and then the older ones', () => {
  const gateway = testGateway('gw', [testListener({ hostname: 'a.test' })]);
  gateway.spec.allowedListeners = { namespaces: { from: 'Same' } };
  const set = (name: string, createdAt: string, listeners: Listener[], namespace = 'shop') => ({
    metadata: { name, namespace, creationTimestamp: createdAt },
    spec: { parentRef: { name: 'gw', namespace: 'shop' }, listeners },
  });
  const other = testListener({ name: 'other', hostname: 'b.test' });
  const listenerSets = [
    set('young', '2026-01-02T00:00:00Z', [{ ...other }]),
    set('old', '2026-01-01T00:00:00Z', [testListener({ hostname: 'a.test' }), other]),
    set('no-certificate', '2026-01-03T00:00:00Z', [testListener({ name: 'tls', port: 443, protocol: 'HTTPS' })]),
    set('foreign', '2026-01-01T00:00:00Z', [other], 'elsewhere'),
  ];
  const routes = [
    testRoute('web', [{ backendRefs: to('web') }], { parentRefs: [{ kind: 'ListenerSet', name: 'old' }] }),
    testRoute('api', [{ backendRefs: to('web') }]),
  ];
  const plan = planOf({ gateways: [gateway], listenerSets, routes });
  assert.deepEqual(
    plan.listenerSets.map(({ set, verdicts }) => [set.metadata?.name, ...verdicts.map(({ reason }) => reason)]),
    [
      ['foreign', 'NotAllowed', 'NotAllowed'],
      ['old', 'ListenersNotValid', 'Programmed'],
      ['young', 'ListenersNotValid', 'ListenersNotValid'],
      ['no-certificate', 'ListenersNotValid', 'ListenersNotValid'],
    ],
  );
  assert.equal(plan.gateways[0]?.attachedListenerSets, 1);
  assert.deepEqual(linesOf({ gateways: [gateway], listenerSets, routes }), [
    'shop_gw_80 a.test/ → shop_web_80 (shop/api)',
    'shop_gw_80 b.test/ → shop_web_80 (shop/web)',
  ]);
});

test('where clients must be known, and cannot be, nobody is let in', () => {
  const gateway = testGateway('gw', [
    testListener(),
    testListener({ name: 'https', port: 443, protocol: 'HTTPS' }),
    testListener({ name: 'free', port: 444, protocol: 'HTTPS' }),
  ]);
  const validation = { caCertificateRefs: [{ group: '', kind: 'ConfigMap', name: 'none' }] };
  gateway.spec.tls = { frontend: { default: { validation }, perPort: [{ port: 444, tls: {} }] } };
  const told = problemsOf(planOf({ gateways: [gateway] }));
  assert.deepEqual(
    told.filter((each) => each.includes('Accepted') || each.includes('CACertificate')),
    ['listener https Accepted: NoValidCACertificate', 'listener https ResolvedRefs: InvalidCACertificateRef'],
  );
});

test('a redirect names the port where it is not the scheme’s own', () => {
  const redirect = (requestRedirect: object) =>
    testRoute('r', [{ filters: [{ type: 'RequestRedirect', requestRedirect }] }]);
  const at = (port: number, requestRedirect: object) => {
    const plan = planOf({
      gateways: [testGateway('gw', [testListener({ port })])],
      routes: [redirect(requestRedirect)],
    });
    return [...plan.answering.values()][0]?.policy.redirect;
  };
  assert.deepEqual(at(80, {}), { scheme: 'http', code: 302 });
  assert.deepEqual(at(8080, {}), { scheme: 'http', port: 8080, code: 302 });
  assert.deepEqual(at(8080, { scheme: 'https' }), { scheme: 'https', code: 302 });
  assert.deepEqual(at(8080, { port: 80 }), { scheme: 'http', code: 302 });
  assert.deepEqual(at(80, { port: 443, hostname: 'a.test', statusCode: 301 }), {
    scheme: 'http',
    host: 'a.test',
    port: 443,
    code: 301,
  });
});

test('of two policies for one port of a Service the older one counts; a broken one lets nothing through', () => {
  const policy = (name: string, createdAt: string, validation: object) => ({
    metadata: { name, namespace: 'shop', creationTimestamp: createdAt },
    spec: {
      targetRefs: [{ group: '', kind: 'Service', name: 'web' }],
      validation: { hostname: 'a.test', ...validation },
    },
  });
  const system = policy('system', '2026-01-01T00:00:00Z', { wellKnownCACertificates: 'System' });
  const later = policy('later', '2026-01-02T00:00:00Z', { wellKnownCACertificates: 'System' });
  const missing = policy('missing', '2025-01-01T00:00:00Z', {
    caCertificateRefs: [{ group: '', kind: 'ConfigMap', name: 'none' }],
  });
  const routes = [testRoute('r', [{ backendRefs: to('web') }])];
  const good = planOf({ routes, tlsPolicies: [later, system] });
  assert.deepEqual(problemsOf(good), ['policy later Accepted: Conflicted']);
  assert.deepEqual(
    [...good.wants.values()].map((want) => [want.protocol, want.policy.tls]),
    [['https', { hostname: 'a.test' }]],
  );
  assert.deepEqual(good.policies[0]?.gateways, ['shop/gw']);
  const bad = planOf({ routes, tlsPolicies: [missing] });
  assert.deepEqual(problemsOf(bad), [
    'policy missing Accepted: NoValidCACertificate',
    'policy missing ResolvedRefs: InvalidCACertificateRef',
  ]);
  assert.equal(bad.wants.size, 0);
});
