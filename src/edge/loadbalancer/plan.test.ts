import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Node, Service } from '../../api/types.ts';
import { checksFor, nodeShares, type PlanInput, planLoadBalancers } from './plan.ts';
import { changes, elementsOf } from './ruleset.ts';

function node(
  number: number,
  changed: { labels?: Record<string, string>; ready?: string; deleted?: boolean } = {},
): Node {
  return {
    metadata: {
      name: `node-${number}`,
      labels: changed.labels,
      ...(changed.deleted ? { deletionTimestamp: '2026-01-01T00:00:00Z' } : {}),
    },
    status: {
      addresses: [
        { type: 'InternalIP', address: `10.89.0.${10 + number}` },
        ...(number === 1 ? [{ type: 'InternalIP', address: 'fd00:89::11' }] : []),
      ],
      conditions: [{ type: 'Ready', status: changed.ready ?? 'True' }],
    },
  };
}

function service(name: string, ip: string, spec: Service['spec'] = {}, ipMode = 'VIP'): Service {
  return {
    metadata: { namespace: 'shop', name },
    spec: { type: 'LoadBalancer', ports: [{ port: 80, nodePort: 30080 }], ...spec },
    status: { loadBalancer: { ingress: [{ ip, ipMode }] } },
  };
}

const input = (services: Service[], nodes = [node(1), node(2), node(3)]): PlanInput => ({
  services,
  nodes,
  pools: [
    { cidr: '203.0.113.0/27', reserved: [] },
    { cidr: 'fd00:203::/112', reserved: [] },
  ],
  nodeCIDR: '10.89.0.0/24',
});
const local = { externalTrafficPolicy: 'Local', healthCheckNodePort: 31000 };

test('new connections go to nodes that are healthy, ready, not excluded and not on their way out', () => {
  const nodes = [
    node(1),
    node(2, { labels: { 'node.kubernetes.io/exclude-from-external-load-balancers': '' } }),
    node(3, { ready: 'Unknown' }),
    node(4, { deleted: true }),
    node(5),
    { ...node(6), spec: { unschedulable: true } },
  ];
  const plan = planLoadBalancers(
    input([service('web', '203.0.113.2')], nodes),
    ({ address }) => address !== '10.89.0.15',
  );
  assert.deepEqual(plan.addresses[0]?.nodes, ['node-1', 'node-6']);
  assert.deepEqual(
    plan.nodes.map(({ name, mark }) => `${name} ${mark}`),
    ['node-1 11', 'node-2 12', 'node-3 13', 'node-4 14', 'node-5 15', 'node-6 16'],
  );
});

test('Cluster asks the proxy of each node, Local the health check of the Service as well', () => {
  const ports = (spec?: Service['spec']) =>
    checksFor(input([service('web', '203.0.113.2', spec)], [node(1)])).map(({ port }) => port);
  assert.deepEqual(new Set(ports()), new Set([10256]));
  assert.deepEqual(ports(local), [10256, 31000]);
});

test('without load balancers nothing is asked', () => {
  assert.deepEqual(checksFor(input([service('web', '203.0.113.2', { type: 'ClusterIP' })])), []);
});

test('Local sends to nodes with pods only', () => {
  const healthy = ({ address, port }: { address: string; port: number }) => port === 10256 || address === '10.89.0.12';
  const { addresses } = planLoadBalancers(
    input([service('web', '203.0.113.2', local), service('all', '203.0.113.3')]),
    healthy,
  );
  assert.deepEqual(
    addresses.map(({ nodes }) => nodes),
    [['node-2'], ['node-1', 'node-2', 'node-3']],
  );
});

test('ClientIP affinity chooses by the client, and ipMode Proxy translates to node ports', () => {
  const sticky = service('sticky', '203.0.113.2', { sessionAffinity: 'ClientIP' });
  const proxied = service('proxied', '203.0.113.3', { loadBalancerSourceRanges: ['198.51.100.0/24'] }, 'Proxy');
  const plan = planLoadBalancers(input([sticky, proxied], [node(1)]), () => true);
  const elements = elementsOf(plan, 'ipv4', new Map());
  assert.ok(elements.has('by-client 203.0.113.2') && !elements.has('by-client 203.0.113.3'));
  assert.equal(elements.get('nodeport 11 . 203.0.113.3 . tcp . 80'), '10.89.0.11 . 30080');
  assert.ok(elements.has('allowed 203.0.113.3 . 198.51.100.0/24'));
});

test('Services with the same nodes share their buckets, and a change touches what differs', () => {
  const services = [service('a', '203.0.113.2'), service('b', '203.0.113.3')];
  const groups = new Map();
  const healthy = planLoadBalancers(input(services, [node(1)]), () => true);
  const before = elementsOf(healthy, 'ipv4', groups);
  assert.equal([...before.keys()].filter((key) => key.startsWith('bucket')).length, 256);
  assert.equal(changes('ipv4', before, elementsOf(healthy, 'ipv4', groups)), '');
  const one = elementsOf(
    planLoadBalancers(input(services.slice(0, 1), [node(1)]), () => true),
    'ipv4',
    groups,
  );
  assert.equal(
    changes('ipv4', before, one),
    'delete element ip knit-lb vips { 203.0.113.3 }\ndelete element ip knit-lb group { 203.0.113.3 }\n',
  );
});

test('an address without healthy nodes leads nowhere', () => {
  const plan = planLoadBalancers(input([service('web', '203.0.113.2')]), () => false);
  assert.deepEqual([...elementsOf(plan, 'ipv4', new Map()).keys()], ['vips 203.0.113.2']);
});

test('shares of nodes are those of their buckets', () => {
  assert.deepEqual([...nodeShares(['a', 'b', 'c']).values()].toSorted(), [85 / 256, 85 / 256, 86 / 256]);
});

test('an IPv6 address leads to nodes that have one', () => {
  const plan = planLoadBalancers(input([service('six', 'fd00:203::2')]), () => true);
  assert.deepEqual(plan.addresses[0]?.nodes, ['node-1']);
  assert.equal(elementsOf(plan, 'ipv4', new Map()).size, 0);
  assert.equal(elementsOf(plan, 'ipv6', new Map()).get('group fd00:203::2'), '1');
  const proxied = planLoadBalancers(input([service('six', 'fd00:203::2', {}, 'Proxy')]), () => true);
  const elements = elementsOf(proxied, 'ipv6', new Map());
  assert.equal(elements.get('nodeport 11 . fd00:203::2 . tcp . 80'), 'fd00:89::11 . 30080');
  assert.ok(elements.has('own fd00:89::11 . fd00:89::11'), 'a node that is led to itself is known');
});
