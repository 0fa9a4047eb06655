import assert from 'node:assert/strict';
import { test } from 'node:test';
import { planGateways } from './plan.ts';
import { chooseRoute } from './requests.ts';
import { testGateway, testListener, testRoute, testWorld } from './testing.ts';

const to = [{ name: 'web', port: 80 }];
const path = (value: string, type = 'PathPrefix') => ({ path: { type, value } });

const parent = (sectionName: string) => ({ parentRefs: [{ name: 'gw', namespace: 'shop', sectionName }] });

const gateway = testGateway('gw', [testListener(), testListener({ name: 'wild', hostname: '*.wild.test' })]);
const routes = [
  testRoute(
    'web',
    [
      { matches: [path('/')], backendRefs: to },
      { matches: [{ ...path('/v2'), headers: [{ name: 'Version', value: '2' }] }], backendRefs: to },
      { matches: [{ ...path('/v2'), queryParams: [{ name: 'q', value: 'a b' }] }], backendRefs: to },
      { matches: [path('/v2/exactly', 'Exact')], backendRefs: to },
      { matches: [path('/r/[0-9]+', 'RegularExpression')], backendRefs: to },
      { matches: [{ method: 'PUT' }], backendRefs: to },
    ],
    parent('http'),
  ),
  testRoute('wild', [{ matches: [path('/only')], backendRefs: to }], parent('wild')),
];
const port = planGateways(testWorld({ gateways: [gateway], routes })).ports.get('shop_gw_80');

/** `ROUTE RULE` */
function chosen(
  url: string,
  { method = 'GET', headers = {} }: { method?: string; headers?: Record<string, string> } = {},
) {
  const { hostname, pathname, searchParams } = new URL(url);
  const request = {
    host: hostname,
    method,
    path: pathname,
    query: searchParams,
    headers: new Map(Object.entries(headers)),
  };
  const found = port && chooseRoute(port, request);
  return found && `${found.choice.kind} ${found.choice.source} ${found.choice.rule}`;
}

test('a request has the rule of the longest path whose conditions hold', () => {
  assert.equal(chosen('http://any.test/'), 'HTTPRoute shop/web 0');
  assert.equal(chosen('http://any.test/v2x'), 'HTTPRoute shop/web 0');
  assert.equal(chosen('http://any.test/v2/x'), 'HTTPRoute shop/web 0');
  assert.equal(chosen('http://any.test/v2/x', { headers: { version: '2' } }), 'HTTPRoute shop/web 1');
  assert.equal(chosen('http://any.test/v2?q=a%20b'), 'HTTPRoute shop/web 2');
  assert.equal(chosen('http://any.test/v2/exactly'), 'HTTPRoute shop/web 3');
  assert.equal(chosen('http://any.test/r/12'), 'HTTPRoute shop/web 4');
  assert.equal(chosen('http://any.test/r/12/x'), 'HTTPRoute shop/web 0');
  assert.equal(chosen('http://any.test/', { method: 'PUT' }), 'HTTPRoute shop/web 5');
});

test('a request is of the listener that means its host most specifically, and of no other', () => {
  assert.equal(chosen('http://a.b.wild.test/only/x'), 'HTTPRoute shop/wild 0');
  assert.equal(chosen('http://a.wild.test/'), undefined);
  assert.equal(chosen('http://wild.test/'), 'HTTPRoute shop/web 0');
});
