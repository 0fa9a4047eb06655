import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Service } from '../api/types.ts';
import { readSettings } from '../edge/ingress/settings.ts';
import { testIngress, testNode, testService, testSlice } from '../edge/ingress/testing.ts';
import { ingressAdvice, ingressBalance } from './ingress-balance.ts';

/** Three pods on node a, one on node b. */
function balanceOf(service: Partial<Service['spec']>, annotations: Record<string, string> = {}) {
  const ingress = testIngress('web', { 'a.test': [{}] }, { annotations });
  const pods = ['a/p1 10.1.0.1', 'a/p2 10.1.0.2', 'a/p3 10.1.0.3', 'b/p4 10.2.0.1'];
  const [balance] = ingressBalance({
    ingress,
    settings: readSettings(annotations).settings,
    service: () => testService('web', { clusterIP: '10.96.0.1', ...service }),
    slices: () => [testSlice('web', pods)],
    nodes: [testNode('a', '10.0.0.1'), testNode('b', '10.0.0.2')],
  });
  assert.ok(balance);
  return balance;
}

const shares = (pods: readonly { pod: string; nodes?: number; direct: number }[]) =>
  pods.map(({ pod, nodes, direct }) => [pod, nodes, direct]);

test('through node ports under Cluster pods get the same, over a second hop; straight there is none', () => {
  const balance = balanceOf({});
  assert.deepEqual([balance.mode, balance.throughNodes?.secondHop], ['nodes', 0.5]);
  assert.deepEqual(
    shares(balance.pods),
    ['p1', 'p2', 'p3', 'p4'].map((pod) => [pod, 0.25, 0.25]),
  );
  assert.match(ingressAdvice(balance), /^Through node ports 50 % .* knit.dev\/backends: pods/);
});

test('through node ports under Local the lonely pod gets half, and straight to pods its part', () => {
  const balance = balanceOf({ externalTrafficPolicy: 'Local' });
  assert.deepEqual(shares(balance.pods).at(-1), ['p4', 0.5, 0.25]);
  assert.match(ingressAdvice(balance), /pods do not get the same/);
});

test('a Service without node ports has only the straight way', () => {
  const balance = balanceOf({ type: 'ClusterIP', ports: [{ name: 'http', port: 80 }] });
  assert.deepEqual([balance.mode, balance.throughNodes, balance.pods[0]?.nodes], ['pods', undefined, undefined]);
});
