import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { Pod } from '../../api/types.ts';
import { isCritical } from '../critical.ts';
import { resolveSettings } from '../settings.ts';
import { assess, calm, type Observations } from './pressure.ts';
import { evictionMessage, rankPods } from './ranking.ts';
import { type Signal, thresholdsOf } from './thresholds.ts';

const GiB = 1024 ** 3;
const observed = (values: Partial<Record<Signal, number>>): Observations =>
  new Map(Object.entries(values).map(([signal, available]) => [signal as Signal, { available, capacity: 100 * GiB }]));

describe('thresholds', () => {
  test('memory’s holds for the machine and for the pods’ share of it', () => {
    const signals = thresholdsOf(resolveSettings()).map(({ signal, value }) => [signal, value]);
    assert.deepEqual(signals, [
      ['memory.available', '100Mi'],
      ['allocatableMemory.available', '100Mi'],
    ]);
  });

  test('one of nothing is none', () => {
    assert.deepEqual(thresholdsOf(resolveSettings({ evictionHard: { 'nodefs.available': '0%' } })), []);
  });
});

describe('pressure', () => {
  const thresholds = thresholdsOf(
    resolveSettings({
      evictionHard: { 'nodefs.available': '10%' },
      evictionSoft: { 'memory.available': '2Gi' },
      evictionSoftGracePeriod: { 'memory.available': '1m' },
      evictionMinimumReclaim: { 'nodefs.available': '5Gi' },
    }),
  );
  const at = (state: typeof calm, values: Partial<Record<Signal, number>>, now: number) =>
    assess(thresholds, observed(values), state, now, 300_000);
  const actingFor = ({ acting }: ReturnType<typeof at>) => acting.map(({ signal }) => signal);

  test('a hard threshold is acted on at once, and the condition tells of it', () => {
    const now = at(calm, { 'nodefs.available': 9 * GiB }, 0);
    assert.deepEqual(now.conditions, ['DiskPressure']);
    assert.deepEqual(actingFor(now), ['nodefs.available']);
  });

  test('a soft one is told of at once, and acted on when its grace period is over', () => {
    const first = at(calm, { 'memory.available': GiB }, 0);
    assert.deepEqual([first.conditions, actingFor(first)], [['MemoryPressure'], []]);
    const later = at(first.state, { 'memory.available': GiB }, 60_000);
    assert.deepEqual(actingFor(later), ['memory.available']);
  });

  test('a soft one that was kept again meanwhile begins anew', () => {
    const first = at(calm, { 'memory.available': GiB }, 0);
    const kept = at(first.state, { 'memory.available': 3 * GiB }, 30_000);
    const again = at(kept.state, { 'memory.available': GiB }, 61_000);
    assert.deepEqual(actingFor(again), []);
  });

  test('what was acted on is acted on until so much more is free', () => {
    const first = at(calm, { 'nodefs.available': 9 * GiB }, 0);
    const second = at(first.state, { 'nodefs.available': 12 * GiB }, 10_000);
    assert.deepEqual(actingFor(second), ['nodefs.available']);
    const third = at(second.state, { 'nodefs.available': 15 * GiB }, 20_000);
    assert.deepEqual(actingFor(third), []);
  });

  test('a condition stays for the transition period', () => {
    const first = at(calm, { 'nodefs.available': 9 * GiB }, 0);
    const soon = at(first.state, { 'nodefs.available': 50 * GiB }, 299_000);
    assert.deepEqual(soon.conditions, ['DiskPressure']);
    assert.deepEqual(at(soon.state, { 'nodefs.available': 50 * GiB }, 300_001).conditions, []);
  });

  test('memory goes before disks', () => {
    const first = at(calm, { 'memory.available': GiB, 'nodefs.available': GiB }, 0);
    const later = at(first.state, { 'memory.available': GiB, 'nodefs.available': GiB }, 60_000);
    assert.deepEqual(actingFor(later), ['memory.available', 'nodefs.available']);
  });
});

describe('the order of pods', () => {
  const pod = (name: string, memory: string, priority = 0): Pod => ({
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name, annotations: {} },
    spec: { priority, containers: [{ name: 'main', resources: { requests: { memory } } }] },
  });
  const using = (amounts: Record<string, number>) => (each: Pod) => {
    const total = amounts[each.metadata?.name ?? ''];
    return total === undefined ? undefined : { total, containers: new Map([['main', total]]) };
  };
  const order = (pods: Pod[], amounts: Record<string, number>) =>
    rankPods(pods, 'memory', using(amounts)).map(({ metadata }) => metadata?.name);

  test('who uses more than was asked for goes before who does not, whatever the priority', () => {
    const pods = [pod('modest', '4Gi'), pod('greedy', '1Gi', 1000)];
    assert.deepEqual(order(pods, { modest: 3 * GiB, greedy: 2 * GiB }), ['greedy', 'modest']);
  });

  test('then the least important, then who uses most beyond', () => {
    const pods = [pod('a', '1Gi', 10), pod('b', '0', 5), pod('c', '1Gi', 5)];
    assert.deepEqual(order(pods, { a: 9 * GiB, b: 2 * GiB, c: 4 * GiB }), ['c', 'b', 'a']);
  });

  test('what cannot be measured goes first', () => {
    assert.deepEqual(order([pod('a', '0'), pod('b', '0')], { a: GiB }), ['b', 'a']);
  });

  test('the system’s own pods and static ones stay', () => {
    assert.ok(isCritical(pod('dns', '0', 2_000_000_000)));
    const fromFile = { ...pod('static', '0'), metadata: { annotations: { 'kubernetes.io/config.source': 'file' } } };
    assert.ok(isCritical(fromFile));
    assert.ok(!isCritical(pod('own', '0', 1_000_000_000)));
  });

  test('the message tells the threshold, what was left, and who used too much', () => {
    const [threshold] = thresholdsOf(resolveSettings());
    assert.ok(threshold);
    const left = new Map([['memory.available', { available: 50 * 1024 ** 2, capacity: GiB }]]) as Observations;
    assert.equal(
      evictionMessage(pod('a', '0'), threshold, left, using({ a: 300 * 1024 ** 2 })(pod('a', '0'))),
      'The node was low on resource: memory. Threshold quantity: 100Mi, available: 50Mi. Container main was using 300Mi, request is 0, has larger consumption of memory. ',
    );
  });
});
