import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Pod, StatefulSet } from '../../api/types.ts';
import { template } from '../testing.ts';
import { REVISION_LABEL } from './identity.ts';
import { planStatefulSet } from './plan.ts';

const names = { current: 'db-1', update: 'db-2' };

const set = (replicas: number, spec: Partial<StatefulSet['spec']> = {}): StatefulSet => ({
  metadata: { name: 'db' },
  spec: { replicas, serviceName: 'db', selector: {}, template: template('db'), ...spec },
});

type State = 'ready' | 'waiting' | 'ending' | 'failed';

function pod(ordinal: number, state: State = 'ready', revision = names.update): Pod {
  const ready = state === 'ready' || state === 'ending' ? 'True' : 'False';
  return {
    metadata: {
      name: `db-${ordinal}`,
      labels: { [REVISION_LABEL]: revision },
      ...(state === 'ending' ? { deletionTimestamp: '2026-01-01T00:00:00Z' } : {}),
    },
    status: { phase: state === 'failed' ? 'Failed' : 'Running', conditions: [{ type: 'Ready', status: ready }] },
  };
}

const old = (ordinal: number, state: State = 'ready') => pod(ordinal, state, names.current);
const gone = (...ordinals: number[]) => ordinals.map((ordinal) => `-${ordinal}`);

/** `+3` for a pod that may start (`+3@db-1` of another revision), `-3` for one that may end. */
function steps(of: StatefulSet, pods: readonly Pod[]): string[] {
  const { create, remove } = planStatefulSet(of, pods, names, Date.now());
  return [
    ...create.map(({ ordinal, revision }) => `+${ordinal}${revision === names.update ? '' : `@${revision}`}`),
    ...remove.map(({ metadata }) => `-${metadata?.name?.split('-')[1]}`),
  ];
}

const rolling = (rollingUpdate: object, more: object = {}) => ({
  updateStrategy: { type: 'RollingUpdate', rollingUpdate },
  ...more,
});
const parallel = { podManagementPolicy: 'Parallel' };

test('in order, a pod starts when all before it serve', () => {
  assert.deepEqual(steps(set(3), []), ['+0']);
  assert.deepEqual(steps(set(3), [pod(0, 'waiting')]), []);
  assert.deepEqual(steps(set(3), [pod(0)]), ['+1']);
  assert.deepEqual(steps(set(3), [pod(0, 'ending'), pod(1)]), []);
});

test('in order, the highest pod ends first, one at a time, and only while the others serve', () => {
  assert.deepEqual(steps(set(1), [pod(0), pod(1), pod(2)]), gone(2));
  assert.deepEqual(steps(set(1), [pod(0), pod(1), pod(2, 'ending')]), []);
  assert.deepEqual(steps(set(1), [pod(0, 'waiting'), pod(1), pod(2)]), []);
  assert.deepEqual(steps(set(1), [pod(0), pod(1), pod(2, 'waiting')]), gone(2));
});

test('in parallel, all start and end at once', () => {
  assert.deepEqual(steps(set(3, parallel), []), ['+0', '+1', '+2']);
  assert.deepEqual(steps(set(1, parallel), [pod(0, 'waiting'), pod(1), pod(2)]), gone(2, 1));
});

test('ordinals may begin elsewhere', () => {
  const from5 = set(2, { ordinals: { start: 5 } });
  assert.deepEqual(steps(from5, []), ['+5']);
  assert.deepEqual(steps(from5, [pod(5), pod(6), pod(0)]), gone(0));
});

test('a pod that ended is made anew when it is gone', () => {
  assert.deepEqual(steps(set(2), [pod(0, 'failed'), pod(1)]), gone(0));
});

test('an update goes from the highest ordinal down, one after another', () => {
  assert.deepEqual(steps(set(3), [old(0), old(1), old(2)]), gone(2));
  assert.deepEqual(steps(set(3), [old(0), old(1), pod(2, 'waiting')]), []);
  assert.deepEqual(steps(set(3), [old(0), old(1), pod(2)]), gone(1));
});

test('pods below the partition keep their revision, also when they are made anew', () => {
  const half = set(3, rolling({ partition: 2 }));
  assert.deepEqual(steps(half, [old(0), old(1), old(2)]), gone(2));
  assert.deepEqual(steps(half, [old(0), old(1), pod(2)]), []);
  assert.deepEqual(steps(half, []), ['+0@db-1']);
});

test('maxUnavailable lets several be updated at once', () => {
  const spec = rolling({ maxUnavailable: '50%' }, parallel);
  assert.deepEqual(
    steps(
      set(4, spec),
      [0, 1, 2, 3].map((each) => old(each)),
    ),
    gone(3, 2),
  );
  assert.deepEqual(steps(set(4, spec), [old(0), old(1), pod(2, 'waiting'), pod(3)]), gone(1));
});

test('a pod that serves nobody is updated for nothing', () => {
  assert.deepEqual(steps(set(3, parallel), [old(0), old(1, 'waiting'), old(2)]), gone(1));
});

test('OnDelete leaves it to people, and then uses the new template', () => {
  const spec = { updateStrategy: { type: 'OnDelete' } };
  assert.deepEqual(steps(set(2, spec), [old(0), old(1)]), []);
  assert.deepEqual(steps(set(2, spec), [old(0)]), ['+1']);
});

test('a pod must have been ready for minReadySeconds', () => {
  const ready = pod(0);
  const lastTransitionTime = new Date(Date.now() - 2_000).toISOString();
  ready.status = { ...ready.status, conditions: [{ type: 'Ready', status: 'True', lastTransitionTime }] };
  assert.deepEqual(steps(set(2, { minReadySeconds: 60 }), [ready]), []);
  assert.deepEqual(steps(set(2, { minReadySeconds: 1 }), [ready]), ['+1']);
});

test('when all pods are updated and ready, their revision is the current one', () => {
  const before = planStatefulSet(set(2), [old(0), pod(1)], names, Date.now()).status;
  assert.deepEqual(
    [before.currentRevision, before.currentReplicas, before.updatedReplicas, before.readyReplicas],
    ['db-1', 1, 1, 2],
  );
  const after = planStatefulSet(set(2), [pod(0), pod(1)], names, Date.now()).status;
  assert.deepEqual([after.currentRevision, after.currentReplicas], ['db-2', 2]);
});
