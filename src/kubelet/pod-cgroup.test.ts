import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Container, Pod } from '../api/types.ts';
import { podLimits } from './pod-cgroup.ts';

type Amounts = Record<string, string>;

const MiB = 2 ** 20;
const container = (name: string, limits: Amounts): Container => ({ name, resources: { limits } });
const limits = (spec: Partial<NonNullable<Pod['spec']>>, podPids = -1) => {
  const { cpuPeriodUs, ...rest } = podLimits({ spec: { containers: [], ...spec } }, podPids);
  assert.equal(cpuPeriodUs, 100_000);
  return rest;
};
const web = container('web', { cpu: '200m', memory: '64Mi' });
const log = container('log', { cpu: '100m', memory: '32Mi' });

test('a pod is limited to the sum of its containers’ limits and its overhead', () => {
  assert.deepEqual(limits({ containers: [web, log] }), { cpuQuotaUs: 30_000, memoryBytes: 96 * MiB });
  assert.deepEqual(limits({ containers: [web], overhead: { memory: '8Mi' } }), {
    cpuQuotaUs: 20_000,
    memoryBytes: 72 * MiB,
  });
});

test('one container without a limit leaves the pod without one, init containers too', () => {
  const free = container('free', { cpu: '1' });
  assert.deepEqual(limits({ containers: [web, free] }), { cpuQuotaUs: 120_000 });
  assert.deepEqual(limits({ containers: [web], initContainers: [free] }), { cpuQuotaUs: 100_000 });
  assert.deepEqual(limits({ containers: [{ name: 'free' }] }), {});
});

test('what the pod says as a whole goes before', () => {
  const resources = { limits: { memory: '48Mi' } };
  assert.deepEqual(limits({ containers: [{ name: 'free' }, web], resources }), { memoryBytes: 48 * MiB });
});

test('the number of processes is limited where the node says so', () => {
  assert.deepEqual(limits({ containers: [{ name: 'free' }] }, 100), { pids: 100 });
});
