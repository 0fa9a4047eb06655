import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { pod } from './fixtures.ts';
import { NodeInfo } from './nodeinfo.ts';
import { podInfo } from './podinfo.ts';
import { type QueuedPod, SchedulingQueue } from './queue.ts';

function queueOf(...shapes: [name: string, priority: number][]) {
  const state = { ready: 0 };
  const queue = new SchedulingQueue(() => state.ready++);
  for (const [name, priority] of shapes) queue.add(podInfo(pod(name, { priority })));
  return { queue, state };
}

const drain = (queue: SchedulingQueue) => {
  const names: string[] = [];
  for (let next = queue.next(); next; next = queue.next()) names.push(next.info.name);
  return names;
};

describe('the scheduling queue', () => {
  it('gives out higher priorities first', (t) => {
    const { queue } = queueOf(['low', 0], ['high', 100], ['middle', 50]);
    t.after(() => queue.close());
    assert.deepEqual(drain(queue), ['high', 'middle', 'low']);
  });

  it('keeps a pod that fits nowhere until something happens that may help it', (t) => {
    const { queue, state } = queueOf(['p', 0]);
    t.after(() => queue.close());
    const next = queue.next();
    assert.ok(next);
    queue.unschedulable(next, new Set(['NodeResourcesFit']));
    state.ready = 0;
    queue.wake(['NodeLabels', 'NodeTaints', 'PodPlaced']);
    assert.equal(queue.next(), undefined);
    assert.equal(state.ready, 0);
    queue.wake(['PodRemoved']);
    assert.equal(state.ready, 1);
    assert.deepEqual(drain(queue), ['p']);
  });

  it('prefers new pods to those that were tried before', (t) => {
    const { queue } = queueOf(['old', 100]);
    t.after(() => queue.close());
    const old = queue.next();
    assert.ok(old);
    queue.unschedulable(old, new Set());
    queue.wake(['NodeAdded']);
    queue.add(podInfo(pod('new')));
    assert.deepEqual(drain(queue), ['new', 'old']);
  });

  it('forgets a pod that was deleted, wherever it waits', (t) => {
    const { queue } = queueOf(['a', 0], ['b', 0]);
    t.after(() => queue.close());
    queue.remove('uid-a');
    const b = queue.next();
    assert.equal(b?.info.name, 'b');
    assert.ok(b);
    queue.unschedulable(b, new Set());
    queue.remove('uid-b');
    queue.wake(['NodeAdded']);
    assert.equal(queue.next(), undefined);
    assert.equal(queue.size, 0);
  });

  it('tries a failed pod again after a while that grows', (t) => {
    t.mock.timers.enable({ apis: ['setTimeout'] });
    const { queue } = queueOf(['p', 0]);
    t.after(() => queue.close());
    for (const ms of [1000, 2000, 4000, 8000, 10_000]) {
      const next = queue.next();
      assert.ok(next);
      queue.failed(next);
      t.mock.timers.tick(ms - 1);
      assert.equal(queue.next(), undefined);
      t.mock.timers.tick(1);
    }
  });

  it('asks who lacks room only when some is made, and tries no more pods than have it', (t) => {
    let free = 0;
    const queue = new SchedulingQueue(
      () => undefined,
      () => free > 0,
    );
    t.after(() => queue.close());
    for (const name of ['a', 'b', 'c']) queue.add(podInfo(pod(name)));
    const reject = (plugin: string) => (next: QueuedPod) => queue.unschedulable(next, new Set([plugin]));
    for (let next = queue.next(); next; next = queue.next()) reject('NodeResourcesFit')(next);
    const room = new NodeInfo('n');
    queue.wake(['PodRemoved'], room);
    assert.equal(queue.next(), undefined, 'too little room');
    free = 1;
    assert.equal(queue.next(), undefined, 'no news');
    queue.wake(['PodRemoved'], room);
    assert.equal(queue.next()?.info.name, 'a');
    free = 0;
    assert.equal(queue.next(), undefined, 'taken by the first');
    assert.deepEqual(queue.counts, { active: 0, backoff: 0, unschedulable: 2 });
    queue.add(podInfo(pod('d')));
    const next = queue.next();
    if (next) reject('NodePorts')(next);
    queue.wake(['PodRemoved'], room);
    assert.equal(queue.next()?.info.name, 'd', 'a port is no room');
  });
});
