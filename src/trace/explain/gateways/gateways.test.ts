import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Service } from '../../../api/types.ts';
import { ApiError } from '../../../client/client.ts';
import { knitClass } from '../../../edge/gateway/classes.ts';
import { type Gateway, gatewayGroup, type HTTPRoute, type Listener } from '../../../edge/gateway/objects.ts';
import { testGateway, testListener, testRoute } from '../../../edge/gateway/testing.ts';
import { gatewayAddressClass } from '../../../edge/loadbalancer/addresses.ts';
import { type TestObjects, testFacts } from '../../testing/facts.ts';
import { testPod, testService } from '../../testing/world.ts';
import { explain } from '../explain.ts';
import { roots } from '../model.ts';
import { sweep } from '../sweep.ts';

const address = '192.0.2.9';
const holder: Service = {
  metadata: { namespace: 'shop', name: 'gw-knit' },
  spec: { type: 'LoadBalancer', loadBalancerClass: gatewayAddressClass, ports: [{ port: 80 }] },
  status: { loadBalancer: { ingress: [{ ip: address }] } },
};
const web = testPod('shop/web', 'node-1', '10.244.0.2', { app: 'web' });
const ready = testService('shop/web', '10.96.0.9', [web]);
const empty = testService('shop/empty', '10.96.0.10', []);
const alien = testService('bank/vault', '10.96.0.11', [web]);
const base = {
  pods: [{ ...web, status: { ...web.status, conditions: [{ type: 'Ready', status: 'True' }] } }],
  services: [holder, ready.service, empty.service, alien.service],
  endpointslices: [ready.slice],
  namespaces: ['shop', 'bank'].map((name) => ({ metadata: { name } })),
  gatewayclasses: [knitClass],
  gateways: [testGateway()],
};
const gatewayKinds = ['Gateway', 'GatewayClass', 'HTTPRoute', 'GRPCRoute'];

const factsOf = (objects: TestObjects, known = gatewayKinds) => testFacts({ ...base, ...objects }, known);

async function ask(objects: TestObjects, to = `http://${address}/`, facts = factsOf(objects), from = 'outside') {
  const { verdict, findings, checks } = await explain(facts, { from, to });
  return { verdict, codes: roots(findings).map(({ code }) => code), findings, texts: checks.map(({ text }) => text) };
}

const to = (...names: string[]) => names.map((name) => ({ name, port: 80 }));
const path = (value: string) => ({ path: { type: 'PathPrefix', value } });
const routed = (
  rules: HTTPRoute['spec']['rules'] = [{ backendRefs: to('web') }],
  more: Partial<HTTPRoute['spec']> = {},
) => ({
  httproutes: [testRoute('web', rules, more)],
});
const listening = (...listeners: Listener[]) => ({ gateways: [testGateway('gw', listeners)] });

test('a URL goes by a Gateway’s address, or by a host of a route, to the pods of a Service', async () => {
  const byAddress = await ask(
    routed([{ matches: [path('/cart')], backendRefs: to('web') }]),
    `http://${address}/cart/1`,
  );
  assert.deepEqual([byAddress.verdict, byAddress.codes], ['allowed', []]);
  assert.ok(byAddress.texts.includes('HTTPRoute shop/web, rule 1: any host, path /cart'));
  assert.ok(byAddress.texts.includes('1 ready: web'));
  assert.match(byAddress.texts.at(-1) ?? '', /^whether anything listens on port 8080 objects do not tell$/);
  const byHost = await ask(routed(undefined, { hostnames: ['shop.test'] }), 'http://shop.test/');
  assert.deepEqual([byHost.verdict, byHost.codes], ['allowed', []]);
});

test('each fault has its code', async () => {
  const https = testListener({
    name: 'https',
    port: 443,
    protocol: 'HTTPS',
    tls: { certificateRefs: [{ name: 'tls' }] },
  });
  const elsewhere = testListener({ tls: undefined, allowedRoutes: { namespaces: { from: 'Same' } } });
  const withoutAddress = { services: [{ ...holder, status: {} }, ready.service] };
  const ofClass = (gatewayClassName: string): Gateway => ({
    ...testGateway(),
    spec: { ...testGateway().spec, gatewayClassName },
    status: { addresses: [{ value: address }] },
  });
  const mirror = { type: 'RequestMirror' };
  const table: readonly (readonly [string, TestObjects, string?])[] = [
    ['GATEWAY_CLASS_UNKNOWN', { ...routed(), gateways: [ofClass('gone')] }],
    [
      'GATEWAY_NO_ADDRESS',
      { ...routed(undefined, { hostnames: ['shop.test'] }), ...withoutAddress },
      'http://shop.test/',
    ],
    ['GATEWAY_PORT_UNKNOWN', routed(), `http://${address}:81/`],
    ['GATEWAY_PROTOCOL_MISMATCH', routed(), `https://${address}:80/`],
    [
      'GATEWAY_LISTENER_INVALID',
      listening(testListener(), testListener({ name: 'udp', port: 53, protocol: 'UDP' })),
      `https://${address}:53/`,
    ],
    ['GATEWAY_CERTIFICATE_UNUSABLE', listening(testListener(), https), `https://${address}/`],
    ['GATEWAY_HOST_UNKNOWN', routed(undefined, { hostnames: ['shop.test'] })],
    ['GATEWAY_NO_ROUTE', {}],
    [
      'ROUTE_PARENT_UNKNOWN',
      routed(undefined, { hostnames: ['shop.test'], parentRefs: [{ name: 'gone' }] }),
      'http://shop.test/',
    ],
    ['ROUTE_LISTENER_UNKNOWN', routed(undefined, { parentRefs: [{ name: 'gw', sectionName: 'gone' }] })],
    ['ROUTE_NOT_ALLOWED', { ...listening(elsewhere), httproutes: [testRoute('web', [], { namespace: 'bank' })] }],
    [
      'ROUTE_HOST_MISMATCH',
      { ...listening(testListener({ hostname: 'a.test' })), ...routed(undefined, { hostnames: ['b.test'] }) },
      'http://b.test/',
    ],
    ['ROUTE_NOT_ACCEPTED', routed([{ filters: [mirror], backendRefs: to('web') }])],
    ['ROUTE_PATH_UNKNOWN', routed([{ matches: [path('/cart')], backendRefs: to('web') }])],
    ['ROUTE_NO_BACKEND', routed([{ backendRefs: [{ name: 'web', port: 80, weight: 0 }] }])],
    ['ROUTE_BACKEND_MISSING', routed([{ backendRefs: to('wep') }])],
    ['ROUTE_BACKEND_PORT', routed([{ backendRefs: [{ name: 'web', port: 81 }] }])],
    ['ROUTE_BACKEND_NOT_GRANTED', routed([{ backendRefs: [{ name: 'vault', namespace: 'bank', port: 80 }] }])],
    ['ROUTE_BACKEND_UNSUPPORTED', routed([{ backendRefs: [{ kind: 'Bucket', name: 'web', port: 80 }] }])],
    ['SVC_NO_SELECTOR', routed([{ backendRefs: to('empty') }])],
  ];
  for (const [code, objects, url] of table) {
    const { verdict, codes } = await ask(objects, url);
    assert.deepEqual([code, verdict, codes], [code, 'denied', [code]]);
  }
});

test('a Gateway all of whose listeners are refused is not accepted, because of them', async () => {
  const { verdict, codes, findings } = await ask(listening(testListener({ protocol: 'UDP' })), 'gateway/shop/gw');
  assert.deepEqual([verdict, codes], ['denied', ['GATEWAY_LISTENER_INVALID']]);
  assert.equal(findings[1]?.code, 'GATEWAY_NOT_ACCEPTED');
});

test('of several backends one that is not there hits a part of the requests', async () => {
  const { verdict, findings } = await ask(routed([{ backendRefs: to('web', 'wep') }]));
  assert.deepEqual(
    [verdict, findings.map(({ code, partial }) => [code, partial])],
    ['allowed', [['ROUTE_BACKEND_MISSING', true]]],
  );
});

test('what a Service says to those inside, or to those who ask its name, is nothing to the proxy', async () => {
  for (const spec of [{ internalTrafficPolicy: 'Local' }, { clusterIP: 'None' }] as const) {
    const { service } = testService('shop/web', '10.96.0.9', [web], spec);
    const { verdict, codes } = await ask({ ...routed(), services: [holder, service] });
    assert.deepEqual([verdict, codes], ['allowed', []]);
  }
});

test('a redirect is told, and asks nobody', async () => {
  const filters = [{ type: 'RequestRedirect', requestRedirect: { scheme: 'https', statusCode: 301 } }];
  const { verdict, texts } = await ask(routed([{ filters }]));
  assert.equal(verdict, 'allowed');
  assert.match(texts.at(-1) ?? '', /^HTTPRoute shop\/web sends clients elsewhere with 301 \(scheme https\): /);
});

test('a Gateway by itself is judged with all its routes', async () => {
  const { codes } = await ask(routed([{ backendRefs: to('web') }, { backendRefs: to('wep') }]), 'gateway/shop/gw');
  assert.deepEqual(codes, ['ROUTE_BACKEND_MISSING']);
  await assert.rejects(ask({}, 'gateway/shop/gone'), { code: 'TARGET_UNKNOWN', hint: 'there is: shop/gw' });
});

test('an address without a URL is asked for a connection', async () => {
  assert.equal((await ask(routed(), `${address}:80`)).verdict, 'allowed');
  assert.deepEqual((await ask(routed(), `${address}:81`)).codes, ['GATEWAY_PORT_UNKNOWN']);
});

/** A Gateway of somebody else's class, with the status that it was given. */
function foreign(
  conditions: readonly (readonly [type: string, status: 'True' | 'False', reason?: string])[],
  more = {},
) {
  const written = conditions.map(([type, status, reason = type]) => ({
    type,
    status,
    reason,
    message: '',
    lastTransitionTime: '',
  }));
  const gateway: Gateway = {
    ...testGateway(),
    spec: { gatewayClassName: 'other', listeners: [testListener()] },
    status: {
      addresses: [{ value: address }],
      conditions: written,
      listeners: [{ name: 'http', supportedKinds: [], attachedRoutes: 1, conditions: written }],
    },
  };
  return {
    gatewayclasses: [{ metadata: { name: 'other' }, spec: { controllerName: 'example.com/other' } }],
    gateways: [gateway],
    httproutes: [
      {
        ...testRoute('web', [{ backendRefs: to('wep') }]),
        status: {
          parents: [
            { parentRef: { name: 'gw', namespace: 'shop' }, controllerName: 'example.com/other', conditions: written },
          ],
        },
      },
    ],
    ...more,
  };
}

test('of a Gateway that somebody else serves what its status says is told, and no more', async () => {
  const good = await ask(
    foreign([
      ['Accepted', 'True'],
      ['Programmed', 'True'],
    ]),
  );
  assert.deepEqual([good.verdict, good.codes], ['unknown', []]);
  assert.match(good.texts.at(-1) ?? '', /is example\.com\/other’s to know$/);
  const silent = await ask(foreign([]));
  assert.equal(silent.verdict, 'unknown');
  const refused = await ask(foreign([['Accepted', 'False', 'Nope']]));
  assert.deepEqual([refused.verdict, refused.codes], ['denied', ['GATEWAY_NOT_ACCEPTED']]);
  const stopped = await ask(
    foreign([
      ['Accepted', 'True'],
      ['Programmed', 'False', 'NoResources'],
    ]),
  );
  assert.deepEqual(
    [stopped.verdict, stopped.findings.map(({ code }) => code)],
    ['denied', ['GATEWAY_LISTENER_INVALID', 'GATEWAY_NOT_PROGRAMMED']],
  );
});

test('a cluster without the Gateway API, or whose Gateways may not be read, is asked for Ingresses', async () => {
  const without = await ask({}, 'http://shop.test/', factsOf(routed(), []));
  assert.deepEqual([without.verdict, without.codes], ['denied', ['INGRESS_HOST_UNKNOWN']]);
  const facts = factsOf(routed());
  const { list } = facts.source;
  facts.source.list = async (resource, options) => {
    if (resource.group === gatewayGroup) throw new ApiError({ code: 403, reason: 'Forbidden' });
    return await list(resource, options);
  };
  const forbidden = await ask({}, 'http://shop.test/', facts);
  assert.deepEqual([forbidden.verdict, forbidden.codes], ['unknown', []]);
});

test('whether a listener serves whose Secret may not be read is not known', async () => {
  const https = testListener({ port: 443, protocol: 'HTTPS', tls: { certificateRefs: [{ name: 'tls' }] } });
  const facts = factsOf({ ...routed(), ...listening(https) });
  const { get } = facts.source;
  facts.source.get = async (resource, namespace, name) => {
    if (resource.kind === 'Secret') throw new ApiError({ code: 403, reason: 'Forbidden' });
    return await get(resource, namespace, name);
  };
  const { verdict, codes, texts } = await ask({}, `https://${address}/`, facts);
  assert.deepEqual([verdict, codes], ['unknown', []]);
  assert.match(texts.join(), /you may not read Secret shop\/tls/);
});

test('a pod that asks must be let out to the Gateway’s address', async () => {
  const closed = {
    metadata: { namespace: 'shop', name: 'closed' },
    spec: { podSelector: {}, policyTypes: ['Egress'] },
  };
  for (const to of [`http://${address}/`, `${address}:80`]) {
    const facts = factsOf({ ...routed(), networkpolicies: [closed] });
    assert.deepEqual((await ask({}, to, facts, 'pod/shop/web')).codes, ['NET_POLICY_EGRESS_DENIED']);
    assert.equal((await ask({}, to, factsOf(routed()), 'pod/shop/web')).verdict, 'allowed');
  }
});

test('a sweep looks at Gateways and routes where there are some', async () => {
  const found = await sweep(factsOf(routed([{ backendRefs: to('wep') }])));
  assert.deepEqual([found.looked.gateways, found.looked.routes], [1, 1]);
  assert.ok(found.findings.some(({ code }) => code === 'ROUTE_BACKEND_MISSING'));
  assert.ok(!found.findings.some(({ subject }) => subject.includes('gw-knit')));
  assert.equal((await sweep(factsOf({}, []))).looked.gateways, undefined);
});
