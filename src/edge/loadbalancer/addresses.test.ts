import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Service } from '../../api/types.ts';
import { type Assignment, assignAddresses } from './addresses.ts';

const pool = { cidr: '203.0.113.0/29', reserved: ['203.0.113.1'] };
const pool6 = { cidr: 'fd00:203::/112', reserved: ['fd00:203::1'] };
let age = 0;

/** Each is younger than the one before. */
function service(name: string, spec: Service['spec'] = {}, ip?: string): Service {
  return {
    metadata: { namespace: 'shop', name, creationTimestamp: new Date(++age * 1000).toISOString() },
    spec: { type: 'LoadBalancer', ...spec },
    status: { loadBalancer: ip ? { ingress: [{ ip }] } : {} },
  };
}

function given(...services: Service[]): Record<string, string> {
  const text = (assignment: Assignment) =>
    [...assignment.addresses, ...(assignment.trouble ? [assignment.trouble] : [])].join(' ');
  return Object.fromEntries(
    [...assignAddresses(services, [pool, pool6])].map(([key, each]) => [key.slice(5), text(each)]),
  );
}

test('each gets the first free address; the reserved, the first and the last are nobody’s', () => {
  const all = ['a', 'b', 'c', 'd', 'e', 'f'].map((name) => service(name));
  assert.deepEqual(given(...all), {
    a: '203.0.113.2',
    b: '203.0.113.3',
    c: '203.0.113.4',
    d: '203.0.113.5',
    e: '203.0.113.6',
    f: 'no address is free in 203.0.113.0/29',
  });
});

test('who has an address keeps it, also where an older one comes', () => {
  assert.deepEqual(given(service('older'), service('has', {}, '203.0.113.2')), {
    older: '203.0.113.3',
    has: '203.0.113.2',
  });
});

test('of two that claim one address the older has it', () => {
  assert.deepEqual(given(service('a', {}, '203.0.113.4'), service('b', {}, '203.0.113.4')), {
    a: '203.0.113.4',
    b: '203.0.113.2',
  });
});

test('loadBalancerIP is given where it is free, and moves who had another', () => {
  const asks = (name: string, loadBalancerIP: string, has?: string) => service(name, { loadBalancerIP }, has);
  assert.deepEqual(
    given(
      service('any'),
      asks('free', '203.0.113.2'),
      asks('moves', '203.0.113.6', '203.0.113.5'),
      service('has', {}, '203.0.113.3'),
      asks('taken', '203.0.113.3'),
      asks('reserved', '203.0.113.1'),
      asks('outside', '192.0.2.1'),
    ),
    {
      any: '203.0.113.4',
      free: '203.0.113.2',
      moves: '203.0.113.6',
      has: '203.0.113.3',
      taken: 'the address 203.0.113.3 is that of Service shop/has',
      reserved: '203.0.113.1 is not an address for Services in 203.0.113.0/29',
      outside: '192.0.2.1 is not an address for Services in 203.0.113.0/29',
    },
  );
});

test('another class and another type are left alone', () => {
  const others = [
    service('class', { loadBalancerClass: 'example.com/other' }),
    service('type', { type: 'ClusterIP' }),
    service('own', { loadBalancerClass: 'knit.dev/l4' }),
  ];
  assert.deepEqual(given(...others), { own: '203.0.113.2' });
});

test('a Service has an address of each of its families, in their order', () => {
  const services = [service('both', { ipFamilies: ['IPv6', 'IPv4'] }), service('six', { ipFamilies: ['IPv6'] })];
  assert.deepEqual(given(...services), { both: 'fd00:203::2 203.0.113.2', six: 'fd00:203::3' });
  assert.deepEqual(
    [...assignAddresses(services, [pool]).values()],
    [
      { addresses: ['203.0.113.2'], trouble: 'there are no ipv6 addresses' },
      { addresses: [], trouble: 'there are no ipv6 addresses' },
    ],
  );
});

test('an address that cannot be had is told also where another family has one', () => {
  const both = { ipFamilies: ['IPv4', 'IPv6'] };
  for (const loadBalancerIP of ['192.0.2.1', '203.0.113.2/32', 'anything'])
    assert.match(
      given(service('asks', { ...both, loadBalancerIP })).asks ?? '',
      /^fd00:203::2 .* is not an address for/,
    );
});

test('a mode that there is not is told, and counts as not said', () => {
  const odd = service('odd');
  const annotations = { 'knit.dev/load-balancer-ip-mode': 'proxy' };
  const told = given({ ...odd, metadata: { ...odd.metadata, annotations } });
  assert.deepEqual(told, {
    odd: '203.0.113.2 annotation knit.dev/load-balancer-ip-mode: "proxy": must be VIP or Proxy',
  });
});
