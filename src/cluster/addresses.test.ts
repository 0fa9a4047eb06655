import assert from 'node:assert/strict';
import { test } from 'node:test';
import { formatCIDR, overlaps, parseCIDR } from '../base/cidr.ts';
import { chooseAddresses, networksOf } from './addresses.ts';
import { type ClusterConfig, familiesOf, nodeAddressesOf } from './config.ts';
import { parseClusterSpec } from './spec.ts';

const spec = (text = '') => parseClusterSpec(`apiVersion: knit.dev/v1alpha1\nkind: Cluster\n${text}`, 'test');
const takenBy = (addresses: ReturnType<typeof chooseAddresses>, by: string) =>
  networksOf(addresses).map((cidr) => ({ cidr: formatCIDR(cidr), by }));

test('eight clusters find networks apart, and the ninth is told who has them', () => {
  const taken = [{ cidr: '192.168.1.0/24', by: 'eth0 of this machine' }];
  for (let index = 0; index < 8; index++) taken.push(...takenBy(chooseAddresses(spec(), taken), `cluster c${index}`));
  const networks = taken.map((each) => parseCIDR(each.cidr));
  for (const [index, cidr] of networks.entries())
    for (const other of networks.slice(index + 1)) assert.equal(overlaps(cidr, other), false);
  assert.throws(() => chooseAddresses(spec(), taken), { code: 'ADDRESSES_EXHAUSTED', message: /cluster c7/ });
});

test('only the first cluster may have addresses that the hosts file names', () => {
  const named = [
    { cidr: '203.0.113.1/32', by: 'shop.test of /etc/hosts' },
    { cidr: '203.0.113.40/32', by: 'mirror.test of /etc/hosts' },
  ];
  const first = chooseAddresses(spec(), [], named);
  assert.equal(first.loadBalancerCIDR, '203.0.113.0/27');
  const taken = networksOf(first).map((cidr) => ({ cidr: formatCIDR(cidr), by: 'cluster first' }));
  assert.equal(chooseAddresses(spec(), taken, named).loadBalancerCIDR, '203.0.113.64/27');
});

test('what is chosen keeps out of the way of what is asked for', () => {
  const { podCIDR, serviceCIDR } = chooseAddresses(spec('network: { podCIDR: 10.96.0.0/16 }'), []);
  assert.equal(podCIDR, '10.96.0.0/16');
  assert.equal(serviceCIDR, '10.97.0.0/16');
});

test('what is asked for is refused where it overlaps, with the field and who has it', () => {
  const taken = [{ cidr: '10.1.0.0/16', by: 'eth0 of this machine' }];
  const cases: [string, RegExp][] = [
    ['network: { nodeCIDR: 10.1.2.0/24 }', /^network\.nodeCIDR: 10\.1\.2\.0\/24 overlaps 10\.1\.0\.0\/16 \(eth0/],
    ['network: { serviceCIDR: 10.89.254.0/24 }', /^network\.serviceCIDR.*knit's own links/],
    ['network: { podCIDR: 10.2.0.0/16, nodeCIDR: 10.2.3.0/24 }', /^network\.podCIDR and network\.nodeCIDR overlap/],
  ];
  for (const [text, message] of cases)
    assert.throws(() => chooseAddresses(spec(text), taken), { code: 'ADDRESS_TAKEN', message });
});

test('networks hold the nodes and clients that are asked for', () => {
  for (const text of ['nodes: 3\nnetwork: { podCIDR: 10.2.0.0/23 }', 'nodes: 30\nnetwork: { nodeCIDR: 10.2.0.0/27 }'])
    assert.throws(() => chooseAddresses(spec(text), []), { code: 'CIDR_TOO_SMALL' });
  assert.equal(chooseAddresses(spec('nodes: 2\nnetwork: { podCIDR: 10.2.0.0/23 }'), []).podCIDR, '10.2.0.0/23');
});

test('virtual addresses of load balancers come from a documentation range, and the first one is the Ingress proxy', () => {
  const { loadBalancerCIDR, ingress } = chooseAddresses(spec(), []);
  assert.deepEqual([loadBalancerCIDR, ingress], ['203.0.113.0/27', '203.0.113.1']);
  const asked = chooseAddresses(spec('network: { loadBalancerCIDR: 192.0.2.128/25 }'), []);
  assert.deepEqual([asked.loadBalancerCIDR, asked.ingress], ['192.0.2.128/25', '192.0.2.129']);
});

test('an IPv6 cluster shows Kubernetes one family, and is asked for no other', () => {
  const asked = spec('network: { ipFamily: ipv6, serviceCIDR: "fd00:96::/112" }');
  const addresses = chooseAddresses(asked, []);
  assert.equal(addresses.dns, 'fd00:96::a');
  const node = { name: 'node-1', address: '10.89.0.11', outsideAddress: '', ipv6: 'fd00::b', labels: {} };
  const config = { spec: asked, addresses, nodes: [node] } as unknown as ClusterConfig;
  assert.deepEqual(
    familiesOf(config).map(({ serviceCIDR }) => serviceCIDR),
    ['fd00:96::/112'],
  );
  assert.deepEqual(nodeAddressesOf(config, node), ['fd00::b']);
  assert.throws(() => spec('network: { ipFamily: ipv6, podCIDR: 10.2.0.0/16 }'), { message: /IPv6 only/ });
});

test('a dual-stack cluster has every network in both families, apart from those of the next one', () => {
  const first = chooseAddresses(spec('network: { ipFamily: dual }'), []);
  const second = chooseAddresses(spec('network: { ipFamily: dual }'), takenBy(first, 'cluster first'));
  assert.equal(chooseAddresses(spec(), []).ipv6, undefined);
  assert.deepEqual(first.ipv6, {
    podCIDR: 'fd6b:6e69:7400:100::/56',
    serviceCIDR: 'fd6b:6e69:7400:96::/112',
    nodeCIDR: 'fd6b:6e69:7400:89::/64',
    clientCIDR: 'fd6b:6e69:7400:51::/64',
    loadBalancerCIDR: 'fd6b:6e69:7400:203::/112',
    ingress: 'fd6b:6e69:7400:203::1',
    fabric: 'fd6b:6e69:7400:89::1',
  });
  assert.equal(second.ipv6?.podCIDR, 'fd6b:6e69:7401:100::/56');
});

test('networks of both families are asked for as a pair', () => {
  const text = 'network: { ipFamily: dual, podCIDR: "10.2.0.0/16,fd00:2::/48", serviceCIDR: "fd00:3::/112" }';
  const { podCIDR, serviceCIDR, ipv6 } = chooseAddresses(spec(text), []);
  assert.deepEqual([podCIDR, ipv6?.podCIDR], ['10.2.0.0/16', 'fd00:2::/48']);
  assert.deepEqual([serviceCIDR, ipv6?.serviceCIDR], ['10.96.0.0/16', 'fd00:3::/112']);
  assert.throws(() => spec('network: { podCIDR: fd00::/48 }'), {
    message: /IPv4 only/,
    hint: /ipFamily: ipv6 }, or for both: dual/,
  });
  assert.throws(() => spec('network: { podCIDR: "10.2.0.0/16,10.3.0.0/16" }'), { message: /one of each family/ });
  const taken = [{ cidr: 'fd00:2::/32', by: 'eth0 of this machine' }];
  assert.throws(() => chooseAddresses(spec(text), taken), { code: 'ADDRESS_TAKEN', message: /eth0/ });
  for (const [cidr, code] of [
    ['podCIDR: fd00::/64', 'CIDR_TOO_SMALL'],
    ['serviceCIDR: fd00::/64', 'CIDR_TOO_LARGE'],
  ] as const)
    assert.throws(() => chooseAddresses(spec(`network: { ipFamily: dual, ${cidr} }`), []), { code });
});
