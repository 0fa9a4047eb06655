import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { NetworkPolicy } from '../api/types.ts';
import { planPolicies } from './planner.ts';
import { matching, namespace, node1, pod, policy } from './testing/objects.ts';
import { formatVerdict, type Packet, verdict } from './verdict.ts';

const A = '10.244.1.2';
const B = '10.244.1.3';
const C = '10.244.2.2';
const MONITOR = '10.244.2.9';
const DNS = '10.244.2.53';
const CLIENT = '198.51.100.7';
const A6 = 'fd00:1::2';
const C6 = 'fd00:2::2';

const node = { ...node1, podCIDRs: ['10.244.1.0/24', 'fd00:1::/64'] };
const pods = [
  pod('shop/a', [A, A6], { ports: [{ name: 'web', containerPort: 8080 }] }),
  pod('shop/b', B, { ports: [{ name: 'web', containerPort: 9090 }] }),
  pod('shop/c', [C, C6], { nodeName: 'node2', ports: [{ name: 'web', containerPort: 7070 }] }),
  pod('ops/monitor', MONITOR, { nodeName: 'node2', labels: { app: 'monitor' } }),
  pod('kube-system/dns', DNS, { nodeName: 'node2', labels: { 'k8s-app': 'kube-dns' } }),
  pod('shop/host', '10.89.0.12', { nodeName: 'node2', hostNetwork: true, labels: { app: 'b' } }),
];
const namespaces = [namespace('shop'), namespace('ops', { team: 'ops' }), namespace('kube-system')];

/** `tcp 10.0.0.1 > 10.0.0.2:80` */
function packet(text: string): Packet {
  const [protocol, source = '', , destination = '', port] = text.split(' ');
  return { protocol: protocol as Packet['protocol'], source, destination, ...(port ? { port: Number(port) } : {}) };
}

interface Case {
  readonly title: string;
  readonly policies: readonly NetworkPolicy[];
  /** Packets as `PROTOCOL SOURCE > DESTINATION PORT`. */
  readonly allowed?: readonly string[];
  readonly denied?: readonly string[];
}

const cases: readonly Case[] = [
  {
    title: 'no policy: everything is admitted',
    policies: [],
    allowed: [`tcp ${B} > ${A} 80`, `udp ${CLIENT} > ${A} 53`, `icmp ${C} > ${A}`],
  },
  {
    title: 'a policy of another namespace selects nobody here',
    policies: [policy('ops/deny', {})],
    allowed: [`tcp ${B} > ${A} 80`],
  },
  {
    title: 'deny all ingress: the default of a policy without rules and types',
    policies: [policy('shop/deny', {})],
    allowed: [`tcp ${A} > ${C} 80`, `tcp ${A} > ${A} 80`, `tcp 10.89.0.11 > ${A} 80`, `tcp 10.244.1.1 > ${A} 80`],
    denied: [
      `tcp ${B} > ${A} 80`,
      `tcp ${A} > ${B} 80`,
      `udp ${CLIENT} > ${A} 53`,
      `icmp ${C} > ${A}`,
      `tcp ${C6} > ${A6} 80`,
    ],
  },
  {
    title: 'deny all egress',
    policies: [policy('shop/deny', { policyTypes: ['Egress'] })],
    allowed: [`tcp ${CLIENT} > ${A} 80`, `tcp ${A} > 10.89.0.11 10250`],
    denied: [`tcp ${A} > ${C} 80`, `tcp ${A} > ${CLIENT} 443`, `tcp ${A} > ${B} 80`],
  },
  {
    title: 'one empty rule admits everybody',
    policies: [policy('shop/all', { ingress: [{}] })],
    allowed: [`tcp ${CLIENT} > ${A} 80`, `udp ${C} > ${A} 53`, `icmp ${C} > ${A}`],
  },
  {
    title: 'empty lists in a rule admit everybody, an empty list of rules nobody',
    policies: [
      policy('shop/some', { podSelector: matching({ app: 'a' }), ingress: [{ from: [], ports: [] }] }),
      policy('shop/none', { podSelector: matching({ app: 'b' }), ingress: [] }),
    ],
    allowed: [`tcp ${CLIENT} > ${A} 80`],
    denied: [`tcp ${CLIENT} > ${B} 80`],
  },
  {
    title: 'policies add up: what one admits no other takes away',
    policies: [
      policy('shop/deny', {}),
      policy('shop/allow', {
        podSelector: matching({ app: 'a' }),
        ingress: [{ from: [{ podSelector: matching({ app: 'b' }) }] }],
      }),
    ],
    allowed: [`tcp ${B} > ${A} 80`],
    denied: [`tcp ${C} > ${A} 80`, `tcp ${A} > ${B} 80`],
  },
  {
    title: 'a podSelector alone means pods of the same namespace, and no hostNetwork ones',
    policies: [policy('shop/p', { podSelector: matching({ app: 'a' }), ingress: [{ from: [{ podSelector: {} }] }] })],
    allowed: [`tcp ${B} > ${A} 80`, `tcp ${C} > ${A} 80`],
    denied: [`tcp ${MONITOR} > ${A} 80`, `tcp ${CLIENT} > ${A} 80`, `tcp 10.89.0.12 > ${A} 80`],
  },
  {
    title: 'allow from a namespace',
    policies: [policy('shop/p', { ingress: [{ from: [{ namespaceSelector: matching({ team: 'ops' }) }] }] })],
    allowed: [`tcp ${MONITOR} > ${A} 80`],
    denied: [`tcp ${B} > ${A} 80`, `tcp ${DNS} > ${A} 80`],
  },
  {
    title: 'allow from all namespaces: every pod, and nobody outside',
    policies: [policy('shop/p', { ingress: [{ from: [{ namespaceSelector: {} }] }] })],
    allowed: [`tcp ${MONITOR} > ${A} 80`, `tcp ${B} > ${A} 80`, `tcp ${DNS} > ${A} 80`],
    denied: [`tcp ${CLIENT} > ${A} 80`],
  },
  {
    title: 'pods and namespaces in one peer: both must match',
    policies: [
      policy('shop/p', {
        ingress: [{ from: [{ namespaceSelector: matching({ team: 'ops' }), podSelector: matching({ app: 'c' }) }] }],
      }),
    ],
    denied: [`tcp ${MONITOR} > ${A} 80`, `tcp ${C} > ${A} 80`],
  },
  {
    title: 'pods and namespaces as two peers: one of them must match',
    policies: [
      policy('shop/p', {
        ingress: [
          { from: [{ namespaceSelector: matching({ team: 'ops' }) }, { podSelector: matching({ app: 'c' }) }] },
        ],
      }),
    ],
    allowed: [`tcp ${MONITOR} > ${A} 80`, `tcp ${C} > ${A} 80`],
    denied: [`tcp ${B} > ${A} 80`],
  },
  {
    title: 'matchExpressions',
    policies: [
      policy('shop/p', {
        ingress: [
          { from: [{ podSelector: { matchExpressions: [{ key: 'app', operator: 'NotIn', values: ['b'] }] } }] },
        ],
      }),
    ],
    allowed: [`tcp ${C} > ${A} 80`],
    denied: [`tcp ${B} > ${A} 80`],
  },
  {
    title: 'egress to DNS only',
    policies: [
      policy('shop/p', {
        policyTypes: ['Egress'],
        egress: [
          {
            to: [
              {
                namespaceSelector: matching({ 'kubernetes.io/metadata.name': 'kube-system' }),
                podSelector: matching({ 'k8s-app': 'kube-dns' }),
              },
            ],
            ports: [
              { protocol: 'UDP', port: 53 },
              { protocol: 'TCP', port: 53 },
            ],
          },
        ],
      }),
    ],
    allowed: [`udp ${A} > ${DNS} 53`, `tcp ${A} > ${DNS} 53`, `tcp ${C} > ${A} 80`],
    denied: [`udp ${A} > ${DNS} 54`, `udp ${A} > ${C} 53`, `sctp ${A} > ${DNS} 53`, `icmp ${A} > ${DNS}`],
  },
  {
    title: 'egress rules without types isolate both ways',
    policies: [policy('shop/p', { egress: [{}] })],
    allowed: [`tcp ${A} > ${C} 80`],
    denied: [`tcp ${C} > ${A} 80`],
  },
  {
    title: 'ipBlock except',
    policies: [
      policy('shop/p', {
        ingress: [
          { from: [{ ipBlock: { cidr: '198.51.100.0/24', except: ['198.51.100.128/25', '198.51.100.9/32'] } }] },
        ],
      }),
    ],
    allowed: [`tcp ${CLIENT} > ${A} 80`],
    denied: [
      'tcp 198.51.100.200 > 10.244.1.2 80',
      'tcp 198.51.100.9 > 10.244.1.2 80',
      'tcp 198.51.101.1 > 10.244.1.2 80',
    ],
  },
  {
    title: 'an except of one rule does not take from another',
    policies: [
      policy('shop/p', {
        ingress: [
          { from: [{ ipBlock: { cidr: '0.0.0.0/0', except: ['198.51.100.0/24'] } }] },
          { from: [{ ipBlock: { cidr: '198.51.100.7/32' } }] },
        ],
      }),
    ],
    allowed: [`tcp ${CLIENT} > ${A} 80`, 'tcp 192.0.2.1 > 10.244.1.2 80'],
    denied: ['tcp 198.51.100.8 > 10.244.1.2 80', `tcp ${C6} > ${A6} 80`],
  },
  {
    title: 'IPv6 blocks and pods',
    policies: [
      policy('shop/p', {
        ingress: [
          {
            from: [
              { ipBlock: { cidr: '2001:db8::/32', except: ['2001:db8:1::/48'] } },
              { podSelector: matching({ app: 'c' }) },
            ],
          },
        ],
      }),
    ],
    allowed: [`tcp 2001:db8::1 > ${A6} 80`, `tcp ${C6} > ${A6} 80`, `tcp 2001:0DB8:0::1 > ${A6} 80`],
    denied: [`tcp 2001:db8:1::1 > ${A6} 80`, `tcp ${CLIENT} > ${A} 80`],
  },
  {
    title: 'port ranges, and a port of all protocols',
    policies: [
      policy('shop/p', {
        ingress: [{ ports: [{ port: 8000, endPort: 8010 }, { port: 8005, endPort: 8020 }, { protocol: 'UDP' }] }],
      }),
    ],
    allowed: [`tcp ${C} > ${A} 8000`, `tcp ${C} > ${A} 8020`, `udp ${C} > ${A} 1`],
    denied: [`tcp ${C} > ${A} 7999`, `tcp ${C} > ${A} 8021`, `sctp ${C} > ${A} 8000`, `icmp ${C} > ${A}`],
  },
  {
    title: 'a named port of ingress is the selected pod’s own',
    policies: [policy('shop/p', { ingress: [{ ports: [{ port: 'web' }] }] })],
    allowed: [`tcp ${C} > ${A} 8080`, `tcp ${C} > ${B} 9090`],
    denied: [`tcp ${C} > ${A} 9090`, `tcp ${C} > ${B} 8080`, `udp ${C} > ${A} 8080`],
  },
  {
    title: 'a named port of egress is each destination’s own',
    policies: [
      policy('shop/p', {
        podSelector: matching({ app: 'a' }),
        policyTypes: ['Egress'],
        egress: [{ to: [{ podSelector: {} }], ports: [{ port: 'web' }] }],
      }),
    ],
    allowed: [`tcp ${A} > ${B} 9090`, `tcp ${A} > ${C} 7070`],
    denied: [`tcp ${A} > ${B} 7070`, `tcp ${A} > ${C} 9090`, `tcp ${A} > ${MONITOR} 7070`],
  },
  {
    title: 'between two pods of one node, both sides must admit',
    policies: [
      policy('shop/out', {
        podSelector: matching({ app: 'b' }),
        policyTypes: ['Egress'],
        egress: [{ ports: [{ port: 80 }] }],
      }),
      policy('shop/in', {
        podSelector: matching({ app: 'a' }),
        ingress: [{ ports: [{ port: 81 }] }, { from: [{ podSelector: matching({ app: 'c' }) }] }],
      }),
    ],
    allowed: [`tcp ${C} > ${A} 80`],
    denied: [`tcp ${B} > ${A} 80`, `tcp ${B} > ${A} 81`],
  },
  {
    title: 'an address of this node’s pods that no planned pod has is closed',
    policies: [],
    denied: [`tcp 10.244.1.99 > ${A} 80`, `tcp ${C} > 10.244.1.99 80`],
  },
];

describe('the verdict of NetworkPolicies', () => {
  for (const { title, policies, allowed = [], denied = [] } of cases) {
    test(title, () => {
      const plan = planPolicies(policies, pods, namespaces, node);
      for (const text of allowed) assert.ok(verdict(plan, packet(text)).allowed, `${text} → allowed`);
      for (const text of denied) assert.ok(!verdict(plan, packet(text)).allowed, `${text} → denied`);
    });
  }

  const example = planPolicies(
    [
      policy('shop/deny', {}),
      policy('shop/a-in', {
        podSelector: matching({ app: 'a' }),
        ingress: [{ ports: [{ port: 1 }] }, { from: [{ podSelector: matching({ app: 'b' }) }] }],
      }),
    ],
    pods,
    namespaces,
    node,
  );

  test('names the policy and the rule that admit', () => {
    assert.equal(
      formatVerdict(verdict(example, packet(`tcp ${B} > ${A} 80`))),
      'allowed: egress of shop/b: no policy selects it; ingress of shop/a: rule 2 of shop/a-in admits it',
    );
  });

  test('names the policies that isolate where no rule admits', () => {
    assert.deepEqual(verdict(example, packet(`tcp ${CLIENT} > ${A} 80`)), {
      allowed: false,
      by: [{ kind: 'default-deny', direction: 'ingress', pod: 'shop/a', policies: ['shop/a-in', 'shop/deny'] }],
    });
  });

  test('replies and later packets of what was admitted are admitted', () => {
    assert.equal(verdict(example, { ...packet(`tcp ${CLIENT} > ${A} 80`), established: true }).allowed, true);
  });
});
