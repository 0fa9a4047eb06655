import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Service } from '../../api/types.ts';
import { knitClass } from '../../edge/gateway/classes.ts';
import type { HTTPRoute } from '../../edge/gateway/objects.ts';
import type { ReadGateways } from '../../edge/gateway/reading.ts';
import { testGateway, testRoute } from '../../edge/gateway/testing.ts';
import { knitClass as ingressClass } from '../../edge/ingress/classes.ts';
import { testIngress } from '../../edge/ingress/testing.ts';
import { gatewayAddressClass } from '../../edge/loadbalancer/addresses.ts';
import type { Place } from '../model.ts';
import { waysBehind } from '../proxied.ts';
import { parseTarget } from '../target.ts';
import { testPod, testService, testWorld } from '../testing/world.ts';

const address = '203.0.113.9';
const alice: Place = { kind: 'client', name: 'alice' };
const holder: Service = {
  metadata: { namespace: 'shop', name: 'gw-knit' },
  spec: { type: 'LoadBalancer', loadBalancerClass: gatewayAddressClass, ports: [{ port: 80 }] },
  status: { loadBalancer: { ingress: [{ ip: address }] } },
};
const pod = testPod('shop/web', 'node-1', '10.244.0.2');
const { service, slice } = testService('shop/web', '10.96.0.9', [pod]);
const to = [{ name: 'web', port: 80 }];
const path = (value: string) => ({ path: { type: 'PathPrefix', value } });

function world(httpRoutes: readonly HTTPRoute[], ingresses: readonly ReturnType<typeof testIngress>[] = []) {
  const none = { listenerSets: [], grpcRoutes: [], tlsRoutes: [], tlsPolicies: [], grants: [] };
  const gateways: ReadGateways = {
    ...none,
    classes: [knitClass],
    gateways: [testGateway()],
    httpRoutes,
    secrets: [],
    configMaps: [],
    unreadable: new Set(),
  };
  return testWorld({
    pods: [pod],
    services: [holder, service],
    endpointSlices: [slice],
    ingresses,
    ingressClasses: [ingressClass],
    gateways,
  });
}

const routes = [
  testRoute('web', [
    { matches: [path('/cart')], backendRefs: to },
    { matches: [path('/old')], filters: [{ type: 'RequestRedirect', requestRedirect: { statusCode: 301 } }] },
    { matches: [path('/gone')], backendRefs: [{ name: 'gone', port: 80 }] },
  ]),
  testRoute('named', [{ backendRefs: to }], { hostnames: ['*.shop.test'] }),
];
const targetOf = (url: string, atlas = world(routes)) => parseTarget(atlas, alice, { from: '', to: url });

test('a request to a Gateway goes on to the backend of the rule that has it', () => {
  const target = targetOf(`http://${address}/cart/1`);
  assert.deepEqual([target.host, target.port, target.title], [address, 80, `Gateway shop/gw http://${address}/cart/1`]);
  assert.deepEqual(target.proxied?.backends, ['shop_web_80']);
  assert.deepEqual(target.proxied?.cause, {
    object: 'Gateway shop/gw',
    text: 'rule 1 of HTTPRoute shop/web, host any, path /cart',
  });
  const [way] = target.proxied ? waysBehind(world(routes), target.proxied) : [];
  assert.equal(way?.request[0]?.out?.packet.source, '203.0.113.1');
  assert.deepEqual(way?.end.kind === 'delivered' && way.end.place, {
    kind: 'pod',
    namespace: 'shop',
    name: 'web',
    node: 'node-1',
  });
});

test('a name is that of the Gateway that names it, unless an Ingress does', () => {
  assert.equal(targetOf('http://a.shop.test/').host, address);
  assert.equal(targetOf('http://a.shop.test:8080/').host, 'a.shop.test');
  assert.equal(targetOf('http://other.test/').host, 'other.test');
  const both = world(routes, [testIngress('web', { 'a.shop.test': [{}] })]);
  assert.match(targetOf('http://a.shop.test/', both).title, /^Ingress /);
  assert.match(targetOf('http://b.shop.test/', both).title, /^Gateway /);
});

test('what the proxy answers by itself is told, and nothing is looked for behind it', () => {
  const answers = ['/', '/old', '/gone'].map((each) => targetOf(`http://${address}${each}`));
  assert.deepEqual(
    answers.map(({ title }) => title.split(' · ')[1]),
    [
      'no route has it, the proxy answers with 404',
      'the proxy answers with 301: clients are sent elsewhere',
      'the proxy answers with 500: its backend cannot be had',
    ],
  );
  assert.ok(answers.every(({ proxied }) => proxied === undefined));
});
