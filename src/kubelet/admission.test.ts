import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Node, Pod, PodSpec } from '../api/types.ts';
import { rejectedUnder, whyNotAdmitted } from './admission.ts';
import { dotted } from './sysctls.ts';

const node: Node = { apiVersion: 'v1', kind: 'Node', metadata: { name: 'node-1', labels: { disk: 'ssd' } } };

const pod = (spec: Partial<PodSpec>): Pod => ({
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: { name: 'a' },
  spec: { containers: [{ name: 'main' }], ...spec },
});

const asking = (requests: Record<string, string>) => pod({ containers: [{ name: 'main', resources: { requests } }] });

const why = (asked: Pod, others: readonly Pod[] = [], allowedUnsafeSysctls: readonly string[] = []) =>
  whyNotAdmitted(asked, {
    node,
    others,
    allowedUnsafeSysctls,
    allocatable: { cpu: '2', memory: '1Gi', pods: '3' },
  });

const rejected: readonly { name: string; pod: Pod; others?: Pod[]; reason: string; message: string }[] = [
  {
    name: 'more cpu than is left',
    pod: asking({ cpu: '1500m' }),
    others: [asking({ cpu: '600m' })],
    reason: 'OutOfcpu',
    message: "Node didn't have enough resource: cpu, requested: 1500, used: 600, capacity: 2000",
  },
  {
    name: 'more memory than there is',
    pod: asking({ memory: '2Gi' }),
    reason: 'OutOfmemory',
    message: "Node didn't have enough resource: memory, requested: 2147483648, used: 0, capacity: 1073741824",
  },
  {
    name: 'one pod too many',
    pod: pod({}),
    others: [pod({}), pod({}), pod({})],
    reason: 'OutOfpods',
    message: "Node didn't have enough resource: pods, requested: 1, used: 3, capacity: 3",
  },
  {
    name: 'a label that the node has not',
    pod: pod({ nodeSelector: { disk: 'hdd' } }),
    reason: 'NodeAffinity',
    message: "Predicate NodeAffinity failed: node(s) didn't match Pod's node affinity/selector",
  },
  {
    name: 'a port of the node that is taken',
    pod: pod({ containers: [{ name: 'main', ports: [{ containerPort: 80, hostPort: 80 }] }] }),
    others: [pod({ containers: [{ name: 'x', ports: [{ containerPort: 1, hostPort: 80, hostIP: '10.0.0.1' }] }] })],
    reason: 'NodePorts',
    message: "Predicate NodePorts failed: node(s) didn't have free ports for the requested pod ports",
  },
  {
    name: 'another operating system',
    pod: pod({ os: { name: 'windows' } }),
    reason: 'PodOSNotSupported',
    message: "Failed to admit pod as the OS field doesn't match node OS",
  },
  {
    name: 'a sysctl that is not safe',
    pod: pod({ securityContext: { sysctls: [{ name: 'kernel/msgmax', value: '1' }] } }),
    reason: 'SysctlForbidden',
    message: 'forbidden sysctl: "kernel.msgmax" not allowlisted',
  },
  {
    name: 'a sysctl of a network that is the node’s',
    pod: pod({ hostNetwork: true, securityContext: { sysctls: [{ name: 'net.ipv4.tcp_syncookies', value: '1' }] } }),
    reason: 'SysctlForbidden',
    message: 'forbidden sysctl: "net.ipv4.tcp_syncookies" not allowed with host net enabled',
  },
];

for (const { name, pod: asked, others, reason, message } of rejected) {
  test(`a pod is not run that wants ${name}`, () => {
    assert.deepEqual(why(asked, others), { reason, message });
  });
}

test('a pod is run that fits, also with a resource that only the cluster knows', () => {
  assert.equal(why(asking({ cpu: '2', memory: '1Gi', 'example.com/license': '1' }), [pod({}), pod({})]), undefined);
});

test('a node that is short of memory takes pods that ask for some, static pods and the system’s own', () => {
  const short = new Set(['MemoryPressure'] as const);
  const message = 'The node had condition: [MemoryPressure]. ';
  assert.deepEqual(rejectedUnder(short, pod({})), { reason: 'Evicted', message });
  assert.equal(rejectedUnder(short, asking({ memory: '1Mi' })), undefined);
  assert.equal(rejectedUnder(short, pod({ priority: 2_000_000_000 })), undefined);
  const fromFile = { ...pod({}), metadata: { annotations: { 'kubernetes.io/config.source': 'file' } } };
  assert.equal(rejectedUnder(short, fromFile), undefined);
});

test('an unsafe sysctl is for nodes that allow it', () => {
  const asked = pod({ securityContext: { sysctls: [{ name: 'kernel.msgmax', value: '1' }] } });
  assert.equal(why(asked, [], ['kernel.msg*']), undefined);
});

test('sysctls are written with dots or with slashes', () => {
  assert.equal(dotted('kernel/shm_rmid_forced'), 'kernel.shm_rmid_forced');
  assert.equal(dotted('net/ipv4/conf/eth0.1/arp_filter'), 'net.ipv4.conf.eth0/1.arp_filter');
  assert.equal(dotted('net.ipv4.conf.eth0/1.arp_filter'), 'net.ipv4.conf.eth0/1.arp_filter');
});
