import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Container, Pod } from '../api/types.ts';
import { containerResources, qosClass } from './resources.ts';

const container: Container = {
  name: 'c',
  resources: { limits: { cpu: '250m', memory: '64Mi' }, requests: { cpu: '100m', memory: '32Mi' } },
};
const pod: Pod = { spec: { containers: [container] } };
const memoryBytes = 1024 * 2 ** 20;

test('amounts become cgroup settings: quota, shares, bytes, and how late the OOM killer takes it', () => {
  assert.deepEqual(containerResources(pod, container, { memoryBytes, oomKillsAll: false }), {
    cpuPeriod: 100_000,
    cpuQuota: 25_000,
    cpuShares: 102,
    memoryLimitInBytes: 64 * 2 ** 20,
    oomScoreAdj: 969,
  });
});

test('a container without a limit may have what its pod may, and its share of what nobody has asked for', () => {
  const free: Container = { name: 'free' };
  const whole = { limits: { cpu: '1', memory: '128Mi' }, requests: { memory: '96Mi' } };
  const both: Pod = { spec: { containers: [container, free], resources: whole } };
  const given = containerResources(both, free, { memoryBytes, oomKillsAll: false });
  assert.deepEqual([given.cpuQuota, given.cpuShares, given.memoryLimitInBytes], [100_000, 2, 128 * 2 ** 20]);
  assert.equal(given.oomScoreAdj, 1000 - Math.floor((1000 * 32) / 1024));
  assert.equal(qosClass(both), 'Burstable');
  const equal = { limits: whole.limits, requests: whole.limits };
  assert.equal(qosClass({ spec: { containers: [free], resources: equal } }), 'Guaranteed');
});

test('with cgroup v2 all processes of a container that is out of memory end together', () => {
  const { unified } = containerResources(pod, container, { memoryBytes, oomKillsAll: true });
  assert.deepEqual(unified, { 'memory.oom.group': '1' });
});

test('thousandths of a core are counted exactly', () => {
  const quotaOf = (cpu: string) =>
    containerResources(pod, { ...container, resources: { limits: { cpu } } }, { memoryBytes, oomKillsAll: false })
      .cpuQuota;
  assert.deepEqual(['17m', '70m', '0.07', '1100m', '1m'].map(quotaOf), [1700, 7000, 7000, 110_000, 1000]);
});
