import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Pod } from '../../api/types.ts';
import { ScalingHistory } from './behavior.ts';
import { proposeReplicas, type ResourceTarget } from './replicas.ts';

const now = Date.parse('2026-01-01T01:00:00Z');
const old = '2026-01-01T00:00:00Z';

function pod(name: string, ready = true, startTime = old): Pod {
  const condition = { type: 'Ready', status: ready ? 'True' : 'False', lastTransitionTime: startTime };
  return {
    metadata: { name },
    spec: { containers: [{ name: 'main', resources: { requests: { cpu: '100m', memory: '100Mi' } } }] },
    status: { phase: 'Running', startTime, conditions: [condition] },
  };
}

const names = ['a', 'b', 'c', 'd'];
const half: ResourceTarget = { resource: 'cpu', utilization: 50 };

/** The number for pods that use so many thousandths of a core; `undefined` for one that was not measured. */
const propose = (used: readonly (number | undefined)[], target = half, pods?: readonly Pod[]) => {
  const all = pods ?? used.map((_, index) => pod(names[index] ?? ''));
  const usages = new Map(
    used.flatMap((value, index) => (value === undefined ? [] : [[names[index] ?? '', value] as const])),
  );
  return proposeReplicas(target, all, usages, all.length, now);
};

test('so many pods that each uses its share', () => {
  assert.deepEqual(propose([100, 100]), { replicas: 4, utilization: 100, average: 100 });
  assert.equal(propose([10, 10]).replicas, 1);
  assert.equal(propose([90], { resource: 'cpu', averageValue: 30 }).replicas, 3);
});

test('near the target nothing changes', () => {
  assert.equal(propose([54, 54]).replicas, 2);
  assert.equal(propose([46, 46]).replicas, 2);
});

test('a pod that was not measured lets it neither grow nor shrink too far', () => {
  assert.equal(propose([100, undefined]).replicas, 2, 'as if it used nothing');
  assert.equal(propose([10, undefined]).replicas, 2, 'as if it used what it asks for');
});

test('a pod that is not ready yet does not count for more', () => {
  const fresh = [pod('a'), pod('b', false, '2026-01-01T00:59:30Z')];
  assert.equal(propose([100, 1000], half, fresh).replicas, 2);
});

test('a pod without a request has no share', () => {
  const without = pod('a');
  without.spec = { containers: [{ name: 'main' }] };
  assert.throws(() => propose([100], half, [without]), /missing request for cpu in container main of Pod a/);
});

test('it shrinks only to the most that was proposed of late', () => {
  const history = new ScalingHistory();
  const at = (seconds: number, proposed: number) => history.stabilized(undefined, 10, proposed, seconds * 1000);
  assert.equal(at(0, 8), 8);
  assert.equal(at(60, 2), 8);
  assert.equal(at(301, 2), 2);
});

test('it grows by four pods or to the double in 15 seconds', () => {
  const history = new ScalingHistory();
  assert.equal(history.limited(undefined, 1, 20, 0), 5);
  history.changed(4, 0);
  assert.equal(history.limited(undefined, 5, 20, 5_000), 5);
  assert.equal(history.limited(undefined, 5, 20, 15_000), 10);
});

test('policies bound how fast it shrinks, or forbid it', () => {
  const policies = [{ type: 'Pods', value: 2, periodSeconds: 60 }];
  const history = new ScalingHistory();
  assert.equal(history.limited({ scaleDown: { policies } }, 10, 1, 0), 8);
  assert.equal(history.limited({ scaleDown: { selectPolicy: 'Disabled' } }, 10, 1, 0), 10);
});
