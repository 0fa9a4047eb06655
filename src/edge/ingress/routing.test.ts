import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { EndpointSlice, Ingress, Node, Secret, Service } from '../../api/types.ts';
import { formatPlan } from './plan.ts';
import { Routing } from './routing.ts';
import { readSettings } from './settings.ts';
import { testIngress, testNode, testService, testSlice } from './testing.ts';

interface World {
  readonly services?: readonly Service[];
  readonly slices?: readonly EndpointSlice[];
  readonly nodes?: readonly Node[];
  readonly secrets?: Readonly<Record<string, Secret>>;
}

const twoNodes = [testNode('a', '10.0.0.1'), testNode('b', '10.0.0.2')];

function routingOf(ingresses: readonly Ingress[], world: World = {}) {
  const { services = [testService('web')], slices = [], nodes = twoNodes, secrets = {} } = world;
  const routing = new Routing({
    service: (key) => services.find(({ metadata }) => `shop/${metadata?.name}` === key),
    slices: (key) => slices.filter(({ metadata }) => `shop/${metadata?.name}` === key),
    nodes: () => nodes,
    secret: (key) => secrets[key],
  });
  routing.nodesChanged();
  for (const ingress of ingresses) routing.set(ingress, readSettings(ingress.metadata?.annotations ?? {}).settings, []);
  return routing;
}

function planned(ingresses: readonly Ingress[], world?: World) {
  const { plan, notes } = routingOf(ingresses, world).plan();
  return {
    lines: formatPlan(plan).split('\n'),
    notes: Object.fromEntries([...notes].map(([key, list]) => [key, list.map(({ message }) => message)])),
    plan,
  };
}

test('a path leads to a backend, and a backend to the nodes’ ports', () => {
  const { lines } = planned([
    testIngress('web', { 'Shop.test': [{ path: '/cart/' }, { path: '/cart', type: 'Exact' }] }),
  ]);
  assert.deepEqual(lines, [
    'shop.test/cart (exactly) → shop_web_80 (shop/web)',
    'shop.test/cart → shop_web_80 (shop/web)',
    'shop_web_80: a 10.0.0.1:30080, b 10.0.0.2:30080',
  ]);
});

test('straight to pods: those that are ready, and where none is, those that still serve', () => {
  const ingress = testIngress('web', { '': [{}] }, { annotations: { 'knit.dev/backends': 'pods' } });
  const serversWith = (...pods: string[]) => planned([ingress], { slices: [testSlice('web', pods)] }).lines.at(-1);
  assert.match(
    serversWith('a/p1 10.1.0.1', 'b/p2 10.1.0.2 unready', 'b/p3 10.1.0.3 terminating') ?? '',
    /: a:p1 10.1.0.1:8080$/,
  );
  assert.match(serversWith('b/p3 10.1.0.3 terminating', 'b/p2 10.1.0.2 unready') ?? '', /: b:p3 10.1.0.3:8080$/);
});

test('a slice that somebody wrote names no server as it likes', () => {
  const ingress = testIngress('web', { '': [{}] }, { annotations: { 'knit.dev/backends': 'pods' } });
  const slice = testSlice('web', ['a/p1 10.1.0.1', 'b/p2 10.1.0.2']);
  Object.assign(slice.endpoints?.[0]?.targetRef ?? {}, { name: 'p1 10.1.0.9:80\n  server evil' });
  Object.assign(slice.endpoints?.[1] ?? {}, { nodeName: 'b c' });
  const { lines } = planned([ingress], { slices: [slice] });
  assert.match(lines.at(-1) ?? '', /: a:10.1.0.1:8080 10.1.0.1:8080, p2 10.1.0.2:8080$/);
});

test('a Service without node ports is served straight to its pods, and its Ingress is told', () => {
  const services = [testService('web', { type: 'ClusterIP', ports: [{ name: 'http', port: 80 }] })];
  const { lines, notes } = planned([testIngress('web', { '': [{}] })], {
    services,
    slices: [testSlice('web', ['a/p 10.1.0.1'])],
  });
  assert.equal(lines.at(-1), 'shop_web_80: a:p 10.1.0.1:8080');
  assert.deepEqual(notes, { 'shop/web': ['shop/web has no node ports: requests go straight to its pods'] });
});

test('under policy Local only nodes with a pod are asked', () => {
  const services = [testService('web', { externalTrafficPolicy: 'Local' })];
  const { lines } = planned([testIngress('web', { '': [{}] })], {
    services,
    slices: [testSlice('web', ['b/p 10.1.0.1'])],
  });
  assert.equal(lines.at(-1), 'shop_web_80: b 10.0.0.2:30080');
});

test('nodes that are excluded, leave or are not ready get nothing; where none is ready all are tried', () => {
  const excluded = { metadata: { labels: { 'node.kubernetes.io/exclude-from-external-load-balancers': '' } } };
  const leaving = { spec: { taints: [{ key: 'ToBeDeletedByClusterAutoscaler', effect: 'NoSchedule' }] } };
  const nodesOf = (...nodes: Node[]) => planned([], { nodes }).plan.nodes.map(({ name }) => name);
  const all = [testNode('a', '1', excluded), testNode('b', '2', leaving), testNode('c', '3', { ready: false })];
  assert.deepEqual(nodesOf(...all, testNode('d', '4')), ['d']);
  assert.deepEqual(nodesOf(...all), ['c']);
});

test('what is said of the protocol counts: the Service’s appProtocol, and the annotation over it', () => {
  const services = [
    testService('web', { ports: [{ name: 'http', port: 80, nodePort: 1, appProtocol: 'kubernetes.io/h2c' }] }),
  ];
  const protocolOf = (annotations: Record<string, string>) =>
    [...planned([testIngress('web', { '': [{}] }, { annotations })], { services }).plan.backends.values()][0]
      ?.servers[0]?.protocol;
  assert.equal(protocolOf({}), 'h2c');
  assert.equal(protocolOf({ 'knit.dev/backend-protocol': 'https' }), 'https');
});

test('the older Ingress has a path, whatever their names are, and the younger is told', () => {
  const older = testIngress('z', { 'a.test': [{}] }, { createdAt: '2025-01-01T00:00:00Z' });
  const younger = testIngress('a', { 'a.test': [{ service: 'other' }, { path: '/x' }] });
  const { lines, notes } = planned([younger, older]);
  assert.deepEqual(lines.slice(0, 2), ['a.test/ → shop_web_80 (shop/z)', 'a.test/x → shop_web_80 (shop/a)']);
  assert.ok(notes['shop/a']?.includes('a.test/ is served by Ingress shop/z, which is older'));
});

test('a default backend stands back behind every rule, and tells nobody so', () => {
  const defaultBackend = { service: { name: 'web', port: { number: 80 } } };
  const old = testIngress(
    'default',
    { 'a.test': [{ path: '/x' }] },
    { createdAt: '2025-01-01T00:00:00Z', defaultBackend },
  );
  const { lines, notes } = planned([old, testIngress('rule', { 'a.test': [{}] })]);
  assert.ok(lines.includes('a.test/ → shop_web_80 (shop/rule)'));
  assert.ok(lines.includes('/ → shop_web_80 (shop/default)'));
  assert.deepEqual(notes['shop/rule'], []);
});

test('a canary takes a part of another Ingress’ route, and has none alone', () => {
  const annotations = { 'knit.dev/canary': 'true', 'knit.dev/canary-weight': '20' };
  const canary = testIngress('canary', { 'a.test': [{ service: 'new' }] }, { annotations });
  assert.equal(
    planned([canary, testIngress('main', { 'a.test': [{}] })]).lines[0],
    'a.test/ → shop_web_80 (shop/main), 20 % to shop_new_80 (shop/canary)',
  );
  assert.match(planned([canary]).notes['shop/canary']?.[0] ?? '', /nobody's yet/);
});

test('Ingresses that say the same share a backend; others have one of their own', () => {
  const names = (annotations: Record<string, string>) => [
    ...planned([
      testIngress('a', { 'a.test': [{}] }),
      testIngress('b', { 'b.test': [{}] }, { annotations }),
    ]).plan.backends.keys(),
  ];
  assert.equal(names({}).length, 1);
  assert.equal(names({ 'knit.dev/timeout-response': '5s' }).length, 2);
});

test('a missing Service and a missing port have no servers, and a resource no route', () => {
  const backend = { resource: { kind: 'Bucket', name: 'static' } };
  const rules = [{ host: 'c.test', http: { paths: [{ path: '/', pathType: 'Prefix', backend }] } }];
  const hosts = { 'a.test': [{ service: 'gone' }], 'b.test': [{ port: 'gone' }] };
  const more = testIngress('more', {}, { rules });
  const { lines, notes } = planned([testIngress('web', hosts), more]);
  assert.deepEqual(lines.slice(2), ['shop_gone_80: -', 'shop_web_gone: -']);
  assert.deepEqual(notes, {
    'shop/web': [
      'there is no Service shop/gone: its paths answer 503',
      'Service shop/web has no port gone: its paths answer 503',
    ],
    'shop/more': ['c.test/ leads to Bucket static: only Services can be backends here'],
  });
});

test('a changed Service plans its own backend anew, and a Service that nobody wants is no news', () => {
  const services = [testService('web'), testService('other')];
  const routing = routingOf([testIngress('web', { '': [{}, { path: '/o', service: 'other' }] })], { services });
  const before = routing.plan().plan.backends;
  services[0] = testService('web', { ports: [{ name: 'http', port: 80, nodePort: 31000 }] });
  assert.equal(routing.serviceChanged('shop/unknown'), false);
  assert.equal(routing.serviceChanged('shop/web'), true);
  const after = routing.plan().plan.backends;
  assert.equal(after.get('shop_web_80')?.servers[0]?.port, 31000);
  assert.equal(after.get('shop_other_80'), before.get('shop_other_80'));
});
