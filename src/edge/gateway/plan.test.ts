import assert from 'node:assert/strict';
import { test } from 'node:test';
import { formatPlan } from '../ingress/plan.ts';
import { planGateways } from './plan.ts';
import { testRoute, testWorld } from './testing.ts';

/** The lines of a plan's ports. */
function linesOf(world: Parameters<typeof testWorld>[0]): string[] {
  const { ports } = planGateways(testWorld(world));
  const empty = {
    routes: new Map(),
    backends: new Map(),
    certificates: new Map(),
    authorities: new Map(),
    nodes: [],
    hosts: [],
  };
  return formatPlan({ ...empty, ports, trustedProxies: [] }).split('\n');
}

test('a request is led by host, path and conditions, the more specific first', () => {
  const route = testRoute('web', [
    { matches: [{ path: { type: 'PathPrefix', value: '/' } }], backendRefs: [{ name: 'web', port: 80 }] },
    {
      matches: [{ path: { type: 'PathPrefix', value: '/v2' }, headers: [{ name: 'version', value: '2' }] }],
      backendRefs: [{ name: 'api', port: 80 }],
    },
  ]);
  assert.deepEqual(linesOf({ routes: [route], services: ['web', 'api'] }), [
    'shop_gw_80 / → shop_web_80 (shop/web)',
    'shop_gw_80 /v2 if header version = 2 → shop_api_80 (shop/web)',
    'shop_gw_80 /v2 → shop_web_80 (shop/web)',
  ]);
});
