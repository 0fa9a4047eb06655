import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Pod } from '../api/types.ts';
import { shortagesOf } from './admission.ts';
import { choosePreempted } from './preemption.ts';

type Amounts = Record<string, string>;

const pod = (name: string, requests: Amounts = {}, { priority = 0, limits = {} as Amounts } = {}): Pod => ({
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: { name },
  spec: { priority, containers: [{ name: 'main', resources: { requests, limits } }] },
});
const guaranteed = (name: string, amounts: Amounts) => pod(name, amounts, { limits: amounts });
const CRITICAL = 2_000_000_000;
const critical = (requests: Amounts, priority = CRITICAL) => pod('critical', requests, { priority });

/** Names of those that go, on a node of two cores and 1 GiB. */
function gone(asked: Pod, others: readonly Pod[]): (string | undefined)[] {
  const allocatable = { cpu: '2', memory: '1Gi', pods: '5' };
  const chosen = choosePreempted(asked, others, shortagesOf(asked, { allocatable, others }));
  return chosen.map(({ metadata }) => metadata?.name);
}

test('nobody goes where there is room', () => {
  assert.deepEqual(gone(critical({ cpu: '1' }), [pod('a', { cpu: '1' })]), []);
});

test('the one goes whose requests come nearest to what is lacking, of equal ones the one that asks for least', () => {
  const others = [pod('small', { cpu: '300m' }), pod('large', { cpu: '900m' }), pod('enough', { cpu: '600m' })];
  assert.deepEqual(gone(critical({ cpu: '800m' }), others), ['enough']);
  assert.deepEqual(gone(critical({ cpu: '1' }), others), ['large']);
  assert.deepEqual(gone(critical({ cpu: '1500m' }), others), ['large', 'enough']);
});

test('a guaranteed pod goes only where all lesser ones do not free enough', () => {
  const better = guaranteed('better', { cpu: '1', memory: '256Mi' });
  const lesser = [pod('b1', { cpu: '400m' }), pod('b2', { cpu: '500m' })];
  assert.deepEqual(gone(critical({ cpu: '900m' }), [better, ...lesser]), ['b2', 'b1']);
  assert.deepEqual(gone(critical({ cpu: '1500m' }), [better, ...lesser]), ['b1', 'better']);
});

test('where there are too many pods, one of those that ask for nothing goes', () => {
  const others = [pod('none'), ...['a', 'b', 'c', 'd'].map((name) => pod(name, { memory: '1Mi' }))];
  assert.deepEqual(gone(critical({}), others), ['none']);
});

test('of critical pods those of less priority go, and where all together are not enough nobody does', () => {
  const other = pod('other', { cpu: '2' }, { priority: CRITICAL });
  assert.deepEqual(gone(critical({ cpu: '1' }, CRITICAL + 1000), [other]), ['other']);
  const words = 'no set of running pods found to reclaim resources: [(res: cpu, q: 1000), ]';
  assert.throws(() => gone(critical({ cpu: '1' }), [pod('a', { cpu: '100m' }), other]), { message: words });
});
