import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { EndpointSlice, Node, Service } from '../api/types.ts';
import { advice, type BalanceInput, expectedBalance, unevenness } from './balance.ts';

const service: Service = {
  metadata: { namespace: 'shop', name: 'web' },
  spec: {
    type: 'LoadBalancer',
    clusterIP: '10.96.0.7',
    ports: [
      { name: 'http', port: 80, targetPort: 8080, nodePort: 30080 },
      { name: 'dns', port: 53, protocol: 'UDP', nodePort: 30053 },
    ],
  },
  status: { loadBalancer: { ingress: [{ ip: '203.0.113.2' }] } },
};

const node = (name: string, labels: Record<string, string> = {}): Node => ({
  metadata: { name, labels },
  status: { conditions: [{ type: 'Ready', status: 'True' }] },
});

/** `pods('a', 'b', 'b')`: one pod on node a, two on node b. */
function slice(...nodes: string[]): EndpointSlice {
  return {
    metadata: { name: 'web', namespace: 'shop', labels: { 'kubernetes.io/service-name': 'web' } },
    addressType: 'IPv4',
    ports: [
      { name: 'http', port: 8080, protocol: 'TCP' },
      { name: 'dns', port: 5353, protocol: 'UDP' },
    ],
    endpoints: nodes.map((nodeName, index) => ({
      addresses: [`10.244.0.${index + 2}`],
      nodeName,
      conditions: { ready: true },
      targetRef: { kind: 'Pod', namespace: 'shop', name: `web-${index + 1}` },
    })),
  };
}

const input = (...podsOn: string[]): BalanceInput => ({
  service,
  slices: [slice(...podsOn)],
  nodes: [node('a'), node('b'), node('c')],
});
const shares = (balanced: BalanceInput, policy: 'Cluster' | 'Local') =>
  expectedBalance(balanced, policy).pods.map(({ share }) => Number(share.toFixed(3)));
const adviceFor = (balanced: BalanceInput, now: 'Cluster' | 'Local') =>
  advice(expectedBalance(balanced, now), expectedBalance(balanced, now === 'Local' ? 'Cluster' : 'Local'));

test('Cluster is even wherever pods are, at the price of a second hop', () => {
  const balance = expectedBalance(input('a', 'b', 'b'), 'Cluster');
  assert.deepEqual(shares(input('a', 'b', 'b'), 'Cluster'), [0.333, 0.333, 0.333]);
  // From a two thirds go on to b, from b one third to a, from c all.
  assert.equal(balance.secondHop.toFixed(3), ((2 / 3 + 1 / 3 + 1) / 3).toFixed(3));
  assert.equal((balance.clientKept + balance.secondHop).toFixed(3), '1.000');
});

test('Local gives each node with pods the same, so that a lone pod gets more', () => {
  const balance = expectedBalance(input('a', 'b', 'b'), 'Local');
  assert.deepEqual(shares(input('a', 'b', 'b'), 'Local'), [0.5, 0.25, 0.25]);
  assert.deepEqual([balance.secondHop, balance.clientKept, unevenness(balance)], [0, 1, 1.5]);
  assert.deepEqual(
    balance.nodes.map(({ node: name, pods }) => `${name} ${pods}`),
    ['a 1', 'b 2'],
  );
});

test('a node that load balancers leave out has pods that get nothing under Local', () => {
  const excluded = {
    ...input('a', 'b'),
    nodes: [node('a'), node('b', { 'node.kubernetes.io/exclude-from-external-load-balancers': '' })],
  };
  assert.deepEqual(shares(excluded, 'Local'), [1, 0]);
  assert.deepEqual(shares(excluded, 'Cluster'), [0.5, 0.5]);
});

test('a load balancer that does not divide evenly is taken as it is', () => {
  const spread = () =>
    new Map([
      ['a', 0.6],
      ['b', 0.4],
    ]);
  assert.deepEqual(shares({ ...input('a', 'b', 'b'), spread }, 'Local'), [0.6, 0.2, 0.2]);
});

test('classic rules hide the client under Cluster, also from a pod of the same node', () => {
  const balance = expectedBalance({ ...input('a', 'b', 'c'), masquerade: 'always' }, 'Cluster');
  assert.equal(balance.clientKept.toFixed(3), '0.000');
  assert.equal(balance.secondHop.toFixed(3), '0.667');
});

test('advice names the pod, its share, and what would even it out', () => {
  assert.match(
    adviceFor(input('a', 'b', 'b'), 'Local'),
    /shop\/web-1 gets 50 % where 33 % would be fair.*topologySpreadConstraints with maxSkew 1.* 4 replicas for the 2 nodes.*Or use Cluster: .* 67 %/,
  );
  assert.match(
    adviceFor(input('a', 'b', 'b'), 'Cluster'),
    /^Even\. Local would keep.*but as the pods stand: shop\/web-1/,
  );
  assert.match(adviceFor(input('a', 'b', 'c'), 'Cluster'), /^Even\. Local would be even too/);
  assert.match(adviceFor(input('a', 'b', 'c'), 'Local'), /^Even, with one hop/);
  assert.match(adviceFor(input(), 'Local'), /no ready pod/);
});

test('a port is asked for by name or number; a Service that is not reached from outside is refused', () => {
  const endpoint = (port: string) => expectedBalance({ ...input('a'), port }, 'Local').pods[0]?.endpoint;
  assert.equal(endpoint('dns'), '10.244.0.2:5353');
  assert.equal(endpoint('80'), '10.244.0.2:8080');
  assert.throws(() => endpoint('99'), { code: 'PORT_UNKNOWN' });
  const inner = {
    ...input('a'),
    service: { ...service, spec: { ...service.spec, type: 'ClusterIP' as const, ports: [{ port: 80 }] } },
  };
  assert.throws(() => expectedBalance(inner, 'Local'), { code: 'BALANCE_NOT_OUTSIDE' });
});
