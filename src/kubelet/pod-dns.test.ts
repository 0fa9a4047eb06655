import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Pod } from '../api/types.ts';
import { podDNS } from './pod-dns.ts';

const cluster = { servers: ['10.96.0.10'], domain: 'cluster.local' };
const host = '# made by hand\nnameserver 192.0.2.1\nsearch example.com\noptions ndots:2 timeout:1\n';
const dnsOf = (spec: Partial<NonNullable<Pod['spec']>>) =>
  podDNS({ metadata: { namespace: 'shop' }, spec: { containers: [], ...spec } }, cluster, host);

test('ClusterFirst asks the cluster, and searches its domains before the host’s', () => {
  assert.deepEqual(dnsOf({}), {
    servers: ['10.96.0.10'],
    searches: ['shop.svc.cluster.local', 'svc.cluster.local', 'cluster.local', 'example.com'],
    options: ['timeout:1', 'ndots:5'],
  });
});

test('a pod on the host’s network uses the host’s resolver, unless it asks for the cluster’s', () => {
  assert.deepEqual(dnsOf({ hostNetwork: true }).servers, ['192.0.2.1']);
  assert.deepEqual(dnsOf({ hostNetwork: true, dnsPolicy: 'ClusterFirstWithHostNet' }).servers, ['10.96.0.10']);
  assert.deepEqual(dnsOf({ dnsPolicy: 'Default' }), {
    servers: ['192.0.2.1'],
    searches: ['example.com'],
    options: ['ndots:2', 'timeout:1'],
  });
});

test('dnsConfig adds to the policy, and is all there is for None', () => {
  const dnsConfig = {
    nameservers: ['192.0.2.9'],
    searches: ['x.test'],
    options: [{ name: 'ndots', value: '1' }, { name: 'edns0' }],
  };
  assert.deepEqual(dnsOf({ dnsPolicy: 'None', dnsConfig }), {
    servers: ['192.0.2.9'],
    searches: ['x.test'],
    options: ['ndots:1', 'edns0'],
  });
  assert.deepEqual(dnsOf({ dnsConfig }).servers, ['10.96.0.10', '192.0.2.9']);
  assert.deepEqual(dnsOf({ dnsConfig }).options, ['timeout:1', 'ndots:1', 'edns0']);
});
