import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { EndpointSlice, Service } from '../api/types.ts';
import { formatPlan, type NodeFacts } from './plan.ts';
import { planService, planServices } from './services.ts';
import { labPods, node1, service, slice } from './testing/objects.ts';

const { a, b, c } = labPods;
const VIP = '10.96.0.10';

/** The plan of one Service as a person reads it. */
function planOf(object: Service, slices: readonly EndpointSlice[], node: NodeFacts = node1): string[] {
  return formatPlan(planServices([object], slices, node))
    .split('\n')
    .map((line) => line.trim());
}

describe('the plan of a Service', () => {
  const labelled = (metadata: EndpointSlice['metadata']) => ({
    ...metadata,
    labels: { ...metadata?.labels, 'service.kubernetes.io/headless': '' },
  });
  const external = {
    type: 'LoadBalancer',
    ports: [{ port: 80, nodePort: 30_080 }],
    externalIPs: ['203.0.113.5'],
  };
  const leaving = (pod: typeof b) => ({ ...pod, conditions: { ready: false, serving: true, terminating: true } });
  const cases: [name: string, object: Service, slices: EndpointSlice[], expected: string[]][] = [
    [
      'ClusterIP with ready endpoints',
      service('web', VIP),
      [slice('web', [c, b])],
      ['shop/web:80', `ClusterIP ${VIP}:tcp:80 → cluster`, 'cluster: 10.244.1.3:8080 10.244.2.2:8080'],
    ],
    ['no endpoints refuse', service('web', VIP), [], ['shop/web:80', `ClusterIP ${VIP}:tcp:80 → refuse`]],
    [
      'endpoints that are not ready count as none',
      service('web', VIP),
      [slice('web', [{ ...b, conditions: { ready: false } }])],
      ['shop/web:80', `ClusterIP ${VIP}:tcp:80 → refuse`],
    ],
    [
      'a condition that is left out means ready',
      service('web', VIP),
      [slice('web', [{ addresses: ['10.244.2.2'], conditions: {} }])],
      ['shop/web:80', `ClusterIP ${VIP}:tcp:80 → cluster`, 'cluster: 10.244.2.2:8080'],
    ],
    [
      'terminating endpoints only where nothing is ready',
      service('web', VIP),
      [slice('web', [leaving(b), c])],
      ['shop/web:80', `ClusterIP ${VIP}:tcp:80 → cluster`, 'cluster: 10.244.2.2:8080'],
    ],
    [
      'terminating endpoints as a last resort',
      service('web', VIP),
      [slice('web', [leaving(b)])],
      ['shop/web:80', `ClusterIP ${VIP}:tcp:80 → cluster`, 'cluster: 10.244.1.3:8080'],
    ],
    [
      'all outside addresses, policy Cluster',
      service('web', VIP, external),
      [slice('web', [b])],
      [
        'shop/web:80',
        `ClusterIP ${VIP}:tcp:80 → cluster`,
        'ExternalIP 203.0.113.5:tcp:80 → cluster',
        'NodePort node:tcp:30080 → cluster',
        'cluster: 10.244.1.3:8080',
      ],
    ],
    [
      'external Local: the cluster inside, local endpoints outside',
      service('web', VIP, { ...external, externalTrafficPolicy: 'Local' }),
      [slice('web', [b, c])],
      [
        'shop/web:80',
        `ClusterIP ${VIP}:tcp:80 → cluster`,
        'ExternalIP 203.0.113.5:tcp:80 → cluster, from outside local',
        'NodePort node:tcp:30080 → cluster, from outside local',
        'cluster: 10.244.1.3:8080 10.244.2.2:8080',
        'local: 10.244.1.3:8080',
      ],
    ],
    [
      'external Local without local endpoints drops',
      service('web', VIP, { ...external, externalIPs: [], externalTrafficPolicy: 'Local' }),
      [slice('web', [c])],
      [
        'shop/web:80',
        `ClusterIP ${VIP}:tcp:80 → cluster`,
        'NodePort node:tcp:30080 → cluster, from outside drop',
        'cluster: 10.244.2.2:8080',
      ],
    ],
    [
      'internal Local without any endpoint refuses',
      service('web', VIP, { internalTrafficPolicy: 'Local' }),
      [],
      ['shop/web:80', `ClusterIP ${VIP}:tcp:80 → refuse`],
    ],
    [
      'affinity with its time-out',
      service('web', VIP, { sessionAffinity: 'ClientIP', sessionAffinityConfig: { clientIP: { timeoutSeconds: 60 } } }),
      [slice('web', [a])],
      ['shop/web:80 affinity 60s', `ClusterIP ${VIP}:tcp:80 → cluster`, 'cluster: 10.244.1.2:8080'],
    ],
    ['headless Services need nothing', service('web', 'None', { clusterIPs: ['None'] }), [slice('web', [a])], ['']],
    [
      'what is labelled headless is served by no proxy',
      {
        ...service('web', VIP),
        metadata: { namespace: 'shop', name: 'web', labels: { 'service.kubernetes.io/headless': '' } },
      },
      [slice('web', [a])],
      [''],
    ],
    [
      'endpoints that are labelled headless count as none',
      service('web', VIP),
      [{ ...slice('web', [a]), metadata: labelled(slice('web', [a]).metadata) }],
      ['shop/web:80', `ClusterIP ${VIP}:tcp:80 → refuse`],
    ],
    ['ExternalName needs nothing', service('web', '', { type: 'ExternalName' }), [], ['']],
  ];
  for (const [name, object, slices, expected] of cases) {
    test(name, () => assert.deepEqual(planOf(object, slices), expected));
  }

  test('load balancer addresses with ipMode Proxy are left to the load balancer; source ranges are kept', () => {
    const object = service('web', VIP, { ...external, externalIPs: [], loadBalancerSourceRanges: ['192.0.2.0/24'] });
    object.status = { loadBalancer: { ingress: [{ ip: '203.0.113.1' }, { ip: '203.0.113.2', ipMode: 'Proxy' }] } };
    const lines = planOf(object, [slice('web', [b])]).filter((line) => line.startsWith('LoadBalancer'));
    assert.deepEqual(lines, ['LoadBalancer 203.0.113.1:tcp:80 → cluster, only 192.0.2.0/24']);
  });

  test('named target ports may differ between slices', () => {
    const object = service('web', VIP, { ports: [{ name: 'http', port: 80, targetPort: 'web' }] });
    const ofPort = (pod: typeof b, port: number): EndpointSlice => ({
      ...slice('web', [pod]),
      ports: [{ name: 'http', port, protocol: 'TCP' }],
    });
    assert.equal(planOf(object, [ofPort(b, 8080), ofPort(c, 9090)]).at(-1), 'cluster: 10.244.1.3:8080 10.244.2.2:9090');
  });

  test('hints are followed where all endpoints have them and the zone has one', () => {
    const inZone = (pod: typeof b, zone: string) => ({ ...pod, hints: { forZones: [{ name: zone }] } });
    const node = { ...node1, zone: 'z1' };
    const object = service('web', VIP);
    assert.equal(
      planOf(object, [slice('web', [inZone(b, 'z1'), inZone(c, 'z2')])], node).at(-1),
      'cluster: 10.244.1.3:8080',
    );
    assert.match(planOf(object, [slice('web', [inZone(b, 'z1'), c])], node).at(-1) ?? '', /2\.2/, 'one has no hint');
    assert.match(planOf(object, [slice('web', [inZone(b, 'z3'), inZone(c, 'z2')])], node).at(-1) ?? '', /1\.3.*2\.2/);
  });

  test('hints for nodes go before those for zones, and are followed where all endpoints have them', () => {
    const onNode = (pod: typeof b, name: string) => ({
      ...pod,
      hints: { forNodes: [{ name }], forZones: [{ name: 'z1' }] },
    });
    const node = { ...node1, zone: 'z1' };
    const object = service('web', VIP);
    const near = [onNode(b, node1.name), onNode(c, 'node-2')];
    assert.equal(planOf(object, [slice('web', near)], node).at(-1), 'cluster: 10.244.1.3:8080');
    const elsewhere = [onNode(b, 'node-3'), onNode(c, 'node-2')];
    assert.match(planOf(object, [slice('web', elsewhere)], node).at(-1) ?? '', /1\.3.*2\.2/, 'both are of the zone');
    const half = [onNode(b, node1.name), { ...c, hints: { forZones: [{ name: 'z2' }] } }];
    assert.equal(planOf(object, [slice('web', half)], node).at(-1), 'cluster: 10.244.1.3:8080', 'by zone');
  });

  test('a health check counts ready local endpoints', () => {
    const object = service('web', VIP, { ...external, externalTrafficPolicy: 'Local', healthCheckNodePort: 31_000 });
    const entry = planService(object, [slice('web', [a, leaving(b), c])], node1);
    assert.deepEqual(entry?.healthCheck, { port: 31_000, localEndpoints: 1 });
  });

  test('dual-stack: each family has its own front ends and endpoints', () => {
    const object = service('web', VIP, { clusterIPs: [VIP, 'fd00::10'] });
    const six: EndpointSlice = { ...slice('web', [{ addresses: ['fd01::2'] }]), addressType: 'IPv6' };
    const entry = planService(object, [slice('web', [b]), six], node1);
    assert.deepEqual(
      entry?.ports.map((port) => [port.family, port.frontEnds[0]?.address, port.pools.cluster?.[0]?.address]),
      [
        ['ipv4', VIP, '10.244.1.3'],
        ['ipv6', 'fd00::10', 'fd01::2'],
      ],
    );
  });
});
