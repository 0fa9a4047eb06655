import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Pod, PodDisruptionBudget } from '../api/types.ts';
import type { Cluster } from './cluster.ts';
import { clusterOf, node, type PodShape, place, pod } from './fixtures.ts';
import { podInfo } from './podinfo.ts';
import { type Preemption, preempt } from './preemption.ts';
import { schedule } from './schedule.ts';

const urgent = (shape: PodShape = {}) => pod('urgent', { priority: 100, cpu: '2', ...shape });
const on = (nodeName: string, name: string, priority: number, shape: PodShape = {}) =>
  pod(name, { nodeName, priority, cpu: '1', ...shape });

function attempt(cluster: Cluster, incoming: Pod, budgets: readonly PodDisruptionBudget[] = []): Preemption {
  const info = podInfo(incoming);
  const decision = schedule(info, cluster, { start: 0 });
  assert.ok(decision.kind === 'none');
  return preempt(info, cluster, decision.rejections, budgets);
}

function victims(preemption: Preemption): string {
  if (preemption.kind !== 'victims') return preemption.kind;
  return `${preemption.node}: ${preemption.pods.map(({ name }) => name).join(' ')}`;
}

const budget = (app: string, disruptionsAllowed: number): PodDisruptionBudget => ({
  metadata: { name: app, namespace: 'default' },
  spec: { selector: { matchLabels: { app } } },
  status: { disruptionsAllowed, currentHealthy: 0, desiredHealthy: 0, expectedPods: 0 },
});

describe('preemption', () => {
  it('takes as few pods of a node as are needed, the least important ones', () => {
    const cluster = clusterOf(
      [node('n1', { cpu: '4' })],
      [0, 1, 2, 3].map((i) => on('n1', `p${i}`, i)),
    );
    assert.equal(victims(attempt(cluster, urgent())), 'n1: p1 p0');
  });

  it('leaves the cluster as it was', () => {
    const cluster = clusterOf([node('n1', { cpu: '2' })], [on('n1', 'a', 0), on('n1', 'b', 0)]);
    attempt(cluster, urgent());
    assert.equal(cluster.node('n1')?.pods.size, 2);
    assert.match(place(cluster, urgent({ priority: 0 })), /Insufficient cpu/);
  });

  it('takes nobody of the same priority, and says so', () => {
    const cluster = clusterOf([node('n1', { cpu: '2' })], [on('n1', 'a', 100), on('n1', 'b', 100)]);
    assert.match(place(cluster, urgent()), /preemption: 0\/1 nodes are available: 1 No preemption victims found/);
  });

  it('takes nobody where it would not help', () => {
    const cluster = clusterOf([node('n1', { cpu: '1' })], [on('n1', 'a', 0)]);
    assert.match(place(cluster, urgent()), /1 Preemption is not helpful for scheduling\.$/);
  });

  it('chooses the node whose most important victim matters least', () => {
    const nodes = [node('n1', { cpu: '2' }), node('n2', { cpu: '2' })];
    const cluster = clusterOf(nodes, [on('n1', 'a', 5, { cpu: '2' }), on('n2', 'b', 4), on('n2', 'c', 4)]);
    assert.equal(victims(attempt(cluster, urgent())), 'n2: b c');
  });

  it('violates a disruption budget only where there is no other way', () => {
    const nodes = [node('n1', { cpu: '2' }), node('n2', { cpu: '2' })];
    const guarded = on('n1', 'a', 0, { cpu: '2', labels: { app: 'db' } });
    const cluster = clusterOf(nodes, [guarded, on('n2', 'b', 50, { cpu: '2' })]);
    assert.equal(victims(attempt(cluster, urgent(), [budget('db', 0)])), 'n2: b');
    assert.equal(victims(attempt(cluster, urgent(), [budget('db', 1)])), 'n1: a');
    const alone = clusterOf([node('n1', { cpu: '2' })], [guarded]);
    assert.equal(victims(attempt(alone, urgent(), [budget('db', 0)])), 'n1: a');
  });

  it('makes room on a host port and against anti-affinity too', () => {
    const port = { containers: [{ name: 'main', ports: [{ containerPort: 80, hostPort: 80 }] }] };
    const ports = clusterOf([node('n1')], [on('n1', 'a', 0, port), on('n1', 'b', 0)]);
    assert.equal(victims(attempt(ports, urgent({ cpu: undefined, ...port }))), 'n1: a');
    const term = { labelSelector: { matchLabels: { app: 'a' } }, topologyKey: 'kubernetes.io/hostname' };
    const affinity = { podAntiAffinity: { requiredDuringSchedulingIgnoredDuringExecution: [term] } };
    const apart = clusterOf([node('n1')], [on('n1', 'a', 0, { labels: { app: 'a' } }), on('n1', 'b', 0)]);
    assert.equal(victims(attempt(apart, urgent({ affinity }))), 'n1: a');
  });

  it('waits for victims that are still ending', () => {
    const ending = on('n1', 'a', 0, { cpu: '2' });
    ending.metadata = { ...ending.metadata, deletionTimestamp: '2026-01-01T00:00:00Z' };
    const cluster = clusterOf([node('n1', { cpu: '2' })], [ending]);
    cluster.nominate(podInfo(urgent()), 'n1');
    assert.match(place(cluster, urgent()), /preemption: not eligible due to terminating pod on the nominated node\.$/);
  });
});

describe('room that is kept for a pod', () => {
  const cluster = clusterOf([node('n1', { cpu: '2' }), node('n2', { cpu: '1' })]);
  cluster.nominate(podInfo(urgent()), 'n1');

  it('is not given to less important ones', () => {
    assert.equal(place(cluster, pod('small', { cpu: '1' })), 'n2');
    assert.equal(place(cluster, pod('larger', { cpu: '1', priority: 200 })).startsWith('n'), true);
    assert.match(place(cluster, pod('large', { cpu: '2' })), /2 Insufficient cpu/);
  });

  it('is taken by itself before any other node', () => {
    assert.equal(place(cluster, urgent({ cpu: '1' })), 'n1');
  });
});
