import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { clusterOf, node, place, pod, put } from './fixtures.ts';
import { podInfo } from './podinfo.ts';
import { enoughNodes } from './schedule.ts';

const apart = (topologyKey = 'kubernetes.io/hostname') => ({
  labelSelector: { matchLabels: { app: 'web' } },
  topologyKey,
});
const web = { labels: { app: 'web' } };
const zones = [
  node('a1', { labels: { 'topology.kubernetes.io/zone': 'a' } }),
  node('a2', { labels: { 'topology.kubernetes.io/zone': 'a' } }),
  node('b1', { labels: { 'topology.kubernetes.io/zone': 'b' } }),
];

describe('a pod that fits nowhere', () => {
  it('is told why for every node, in kube-scheduler’s words', () => {
    const cluster = clusterOf([
      node('n1', { cpu: '1' }),
      node('n2', { taints: [{ key: 'team', value: 'db', effect: 'NoSchedule' }] }),
      node('n3', { taints: [{ key: 'team', value: 'db', effect: 'NoExecute' }] }),
    ]);
    assert.equal(
      place(cluster, pod('p', { cpu: '2' })),
      '0/3 nodes are available: 1 Insufficient cpu, 2 node(s) had untolerated taint(s). ' +
        'no new claims to deallocate, preemption: 0/3 nodes are available: 3 Preemption is not helpful for scheduling.',
    );
  });

  it('is told that there are no nodes', () => {
    assert.equal(place(clusterOf([]), pod('p')), 'no nodes available to schedule pods');
  });

  it('may lack several resources of one node', () => {
    const cluster = clusterOf(
      [node('n1', { cpu: '1', memory: '1Gi' })],
      [pod('old', { nodeName: 'n1', cpu: '1', memory: '1Gi' })],
    );
    assert.match(
      place(cluster, pod('p', { cpu: '1', memory: '1Gi' })),
      /^0\/1 nodes are available: 1 Insufficient cpu, 1 Insufficient memory\. no new claims to deallocate, preemption: 0\/1 nodes are available: 1 No preemption victims found for incoming pod\.$/,
    );
  });

  it('says so where its policy forbids preemption', () => {
    const message = place(clusterOf([node('n1', { unschedulable: true })]), pod('p', { preemptionPolicy: 'Never' }));
    assert.equal(
      message,
      '0/1 nodes are available: 1 node(s) were unschedulable. ' +
        'no new claims to deallocate, preemption: not eligible due to preemptionPolicy=Never.',
    );
  });
});

describe('NodeUnschedulable and TaintToleration', () => {
  it('keep pods off cordoned nodes, but for those that tolerate it', () => {
    const cluster = clusterOf([node('n1', { unschedulable: true })]);
    assert.match(place(cluster, pod('p')), /1 node\(s\) were unschedulable/);
    const tolerations = [{ key: 'node.kubernetes.io/unschedulable', operator: 'Exists', effect: 'NoSchedule' }];
    assert.equal(place(cluster, pod('p', { tolerations })), 'n1');
  });

  it('compare key, value and effect', () => {
    const cluster = clusterOf([node('n1', { taints: [{ key: 'k', value: 'v', effect: 'NoSchedule' }] })]);
    const withToleration = (toleration: object) => place(cluster, pod('p', { tolerations: [toleration] }));
    assert.equal(withToleration({ key: 'k', value: 'v', effect: 'NoSchedule' }), 'n1');
    assert.equal(withToleration({ operator: 'Exists' }), 'n1');
    assert.equal(withToleration({ key: 'k', operator: 'Exists' }), 'n1');
    assert.match(withToleration({ key: 'k', value: 'w' }), /untolerated taint\(s\)/);
    assert.match(withToleration({ key: 'k', value: 'v', effect: 'NoExecute' }), /untolerated taint/);
  });

  it('prefer nodes without PreferNoSchedule taints', () => {
    const cluster = clusterOf([
      node('n1', { taints: [{ key: 'k', effect: 'PreferNoSchedule' }] }),
      node('n2', { cpu: '3' }),
    ]);
    assert.equal(place(cluster, pod('p')), 'n2');
  });
});

describe('NodeAffinity', () => {
  const cluster = clusterOf([
    node('n1', { labels: { disk: 'ssd', size: '4' } }),
    node('n2', { labels: { disk: 'hdd', size: '16' } }),
  ]);
  const required = (...matchExpressions: { key: string; operator: string; values?: string[] }[]) =>
    place(
      cluster,
      pod('p', {
        affinity: {
          nodeAffinity: {
            requiredDuringSchedulingIgnoredDuringExecution: { nodeSelectorTerms: [{ matchExpressions }] },
          },
        },
      }),
    );

  it('follows nodeSelector', () => {
    assert.equal(place(cluster, pod('p', { nodeSelector: { disk: 'hdd' } })), 'n2');
    assert.match(
      place(cluster, pod('p', { nodeSelector: { disk: 'nvme' } })),
      /2 node\(s\) didn't match Pod's node affinity\/selector/,
    );
  });

  it('knows all operators', () => {
    assert.equal(required({ key: 'disk', operator: 'In', values: ['ssd', 'nvme'] }), 'n1');
    assert.equal(required({ key: 'disk', operator: 'NotIn', values: ['ssd'] }), 'n2');
    assert.equal(required({ key: 'size', operator: 'Gt', values: ['8'] }), 'n2');
    assert.equal(required({ key: 'size', operator: 'Lt', values: ['8'] }), 'n1');
    assert.match(required({ key: 'gpu', operator: 'Exists' }), /didn't match Pod's node affinity/);
    assert.match(required({ key: 'disk', operator: 'DoesNotExist' }), /didn't match Pod's node affinity/);
  });

  it('pins a daemon’s pod by its node’s name', () => {
    const term = { matchFields: [{ key: 'metadata.name', operator: 'In', values: ['n2'] }] };
    const nodeAffinity = { requiredDuringSchedulingIgnoredDuringExecution: { nodeSelectorTerms: [term] } };
    assert.equal(place(cluster, pod('p', { affinity: { nodeAffinity } })), 'n2');
  });

  it('prefers by weight', () => {
    const preference = { matchExpressions: [{ key: 'disk', operator: 'In', values: ['hdd'] }] };
    const nodeAffinity = { preferredDuringSchedulingIgnoredDuringExecution: [{ weight: 10, preference }] };
    assert.equal(place(cluster, pod('p', { affinity: { nodeAffinity } })), 'n2');
  });
});

describe('NodeResourcesFit', () => {
  it('counts pods, and gives room back when they go', () => {
    const cluster = clusterOf([node('n1', { pods: '1' })], [pod('old', { nodeName: 'n1' })]);
    assert.match(place(cluster, pod('p')), /1 Too many pods/);
    cluster.removePod('uid-old');
    assert.equal(place(cluster, pod('p')), 'n1');
  });

  it('does not count pods that have ended', () => {
    const ended = { ...pod('old', { nodeName: 'n1', cpu: '4' }), status: { phase: 'Succeeded' } };
    assert.equal(place(clusterOf([node('n1')], [ended]), pod('p', { cpu: '4' })), 'n1');
  });

  it('takes the larger of init containers and containers, with sidecars beside both', () => {
    const container = (name: string, cpu: string, restartPolicy?: string) => ({
      name,
      restartPolicy,
      resources: { requests: { cpu } },
    });
    const amounts = podInfo(
      pod('p', {
        initContainers: [container('first', '2'), container('sidecar', '500m', 'Always'), container('second', '2')],
        containers: [container('main', '1')],
        overhead: { cpu: '100m' },
      }),
    ).requests.amounts;
    assert.equal(amounts.get('cpu'), 2600);
  });

  it('prefers the emptier node', () => {
    const cluster = clusterOf([node('n1'), node('n2')], [pod('old', { nodeName: 'n1', cpu: '2', memory: '4Gi' })]);
    assert.equal(place(cluster, pod('p', { cpu: '100m', memory: '100Mi' })), 'n2');
  });
});

describe('NodePorts', () => {
  const hostPort = (ip?: string, protocol?: string) => ({
    containers: [{ name: 'main', ports: [{ containerPort: 80, hostPort: 80, hostIP: ip, protocol }] }],
  });

  it('gives a host port once a node, address and protocol', () => {
    const cluster = clusterOf([node('n1')], [pod('old', { nodeName: 'n1', ...hostPort('10.0.0.1') })]);
    assert.match(place(cluster, pod('p', hostPort())), /didn't have free ports for the requested pod ports/);
    assert.match(place(cluster, pod('p', hostPort('10.0.0.1'))), /didn't have free ports/);
    assert.equal(place(cluster, pod('p', hostPort('10.0.0.2'))), 'n1');
    assert.equal(place(cluster, pod('p', hostPort(undefined, 'UDP'))), 'n1');
  });
});

describe('InterPodAffinity', () => {
  const anti = { affinity: { podAntiAffinity: { requiredDuringSchedulingIgnoredDuringExecution: [apart()] } } };

  it('keeps replicas apart, and says so when there is no node left', () => {
    const cluster = clusterOf([node('n1'), node('n2')]);
    const used = [put(cluster, pod('p1', { ...web, ...anti })), put(cluster, pod('p2', { ...web, ...anti }))];
    assert.deepEqual(used.sort(), ['n1', 'n2']);
    assert.match(place(cluster, pod('p3', { ...web, ...anti })), /2 node\(s\) didn't match pod anti-affinity rules/);
  });

  it('minds the anti-affinity of pods that are there', () => {
    const cluster = clusterOf([node('n1')], [pod('old', { nodeName: 'n1', ...anti })]);
    assert.match(place(cluster, pod('p', web)), /1 node\(s\) didn't satisfy existing pods anti-affinity rules/);
    assert.equal(place(cluster, pod('p', { ...web, namespace: 'other' })), 'n1');
  });

  it('brings pods together in one zone, the first of them anywhere', () => {
    const affinity = {
      podAffinity: { requiredDuringSchedulingIgnoredDuringExecution: [apart('topology.kubernetes.io/zone')] },
    };
    const cluster = clusterOf(zones, [pod('old', { nodeName: 'b1', ...web })]);
    assert.equal(place(cluster, pod('p', { affinity })), 'b1');
    assert.match(place(clusterOf(zones), pod('p', { affinity })), /3 node\(s\) didn't match pod affinity rules/);
    assert.match(place(clusterOf(zones), pod('p', { ...web, affinity })), /^[ab]/);
  });

  it('looks into namespaces by their labels', () => {
    const term = { ...apart(), namespaceSelector: { matchLabels: { team: 'x' } } };
    const affinity = { podAntiAffinity: { requiredDuringSchedulingIgnoredDuringExecution: [term] } };
    const cluster = clusterOf([node('n1')], [pod('old', { nodeName: 'n1', namespace: 'other', ...web })]);
    assert.equal(place(cluster, pod('p', { affinity })), 'n1');
    cluster.setNamespace('other', { team: 'x' });
    assert.match(place(cluster, pod('p', { affinity })), /didn't match pod anti-affinity rules/);
  });

  it('prefers company, and distance, by weight', () => {
    const preferred = [{ weight: 50, podAffinityTerm: apart() }];
    const cluster = clusterOf([node('n1'), node('n2')], [pod('old', { nodeName: 'n1', ...web })]);
    const near = { podAffinity: { preferredDuringSchedulingIgnoredDuringExecution: preferred } };
    const far = { podAntiAffinity: { preferredDuringSchedulingIgnoredDuringExecution: preferred } };
    assert.equal(place(cluster, pod('p', { affinity: near })), 'n1');
    assert.equal(place(cluster, pod('p', { affinity: far })), 'n2');
  });
});

describe('PodTopologySpread', () => {
  const spread = (whenUnsatisfiable: string, topologyKey = 'topology.kubernetes.io/zone') => ({
    ...web,
    topologySpreadConstraints: [
      { maxSkew: 1, topologyKey, whenUnsatisfiable, labelSelector: { matchLabels: { app: 'web' } } },
    ],
  });

  it('lets no zone be ahead by more than maxSkew', () => {
    const cluster = clusterOf(zones, [pod('old', { nodeName: 'a1', ...web })]);
    assert.equal(put(cluster, pod('p1', spread('DoNotSchedule'))), 'b1');
    put(cluster, pod('p2', spread('DoNotSchedule')));
    cluster.setNode('b1', node('b1', { unschedulable: true, labels: { 'topology.kubernetes.io/zone': 'b' } }));
    cluster.setPod(pod('a-more', { nodeName: 'a1', ...web }));
    assert.match(
      place(cluster, pod('p3', spread('DoNotSchedule'))),
      /node\(s\) didn't match pod topology spread constraints/,
    );
  });

  it('names nodes that lack the label', () => {
    assert.match(
      place(clusterOf([node('n1')]), pod('p', spread('DoNotSchedule'))),
      /1 node\(s\) didn't match pod topology spread constraints \(missing required label\)/,
    );
  });

  it('prefers the emptier domain where it is soft', () => {
    const cluster = clusterOf(zones, [pod('old', { nodeName: 'a1', ...web })]);
    assert.equal(place(cluster, pod('p', spread('ScheduleAnyway'))), 'b1');
  });

  it('spreads the replicas of a workload that says nothing over the nodes', () => {
    const workloads = { selectorsOf: () => [{ matchLabels: { app: 'web' } }] };
    const cluster = clusterOf([node('n1'), node('n2'), node('n3')], [], workloads);
    const used = Array.from({ length: 6 }, (_, i) => put(cluster, pod(`p${i}`, web)));
    assert.deepEqual(used.slice(0, 3).sort(), ['n1', 'n2', 'n3']);
    assert.deepEqual(used.slice(3).sort(), ['n1', 'n2', 'n3']);
  });
});

describe('ImageLocality', () => {
  it('prefers a node that has a large image', () => {
    const images = [{ names: ['docker.io/big:1'], sizeBytes: 900 * 1024 * 1024 }];
    const cluster = clusterOf([node('n1'), node('n2', { images })]);
    assert.equal(place(cluster, pod('p', { containers: [{ name: 'main', image: 'docker.io/big:1' }] })), 'n2');
  });
});

describe('large clusters', () => {
  it('look at a share of the nodes', () => {
    assert.deepEqual([3, 100, 1000, 5000, 10_000].map(enoughNodes), [3, 100, 420, 500, 500]);
  });

  it('keep their sums right while pods come and go', () => {
    const cluster = clusterOf([node('n1'), node('n2')]);
    for (let round = 0; round < 50; round++) {
      put(
        cluster,
        pod(`p${round}`, {
          cpu: '100m',
          ...web,
          containers: [{ name: 'c', resources: { requests: { cpu: '100m' } } }],
        }),
      );
      if (round % 3 === 0) cluster.removePod(`uid-p${round}`);
    }
    const total = cluster.nodes.reduce((sum, { requested }) => sum + (requested.get('cpu') ?? 0), 0);
    assert.equal(total, cluster.nodes.reduce((sum, { pods }) => sum + pods.size, 0) * 100);
    const counted = cluster.countByNode('web', ({ labels }) => labels.app === 'web');
    for (const { name, pods } of cluster.nodes) assert.equal(counted.get(name) ?? 0, pods.size);
  });
});
