import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createLog } from '../base/log.ts';
import { waitFor } from '../base/wait.ts';
import { runController } from './controller.ts';
import { WorkQueue } from './queue.ts';
import { queueMetricLines } from './queue-metrics.ts';

const log = createLog('test', () => {});

test('a key that is added twice before it is taken comes once', async () => {
  const queue = new WorkQueue();
  queue.add('a');
  queue.add('a');
  queue.add('b');
  assert.equal(queue.depth, 2);
  assert.equal(await queue.take(), 'a');
  assert.equal(await queue.take(), 'b');
  queue.close();
  assert.equal(await queue.take(), undefined);
});

test('a key that is added while it is worked on comes again, but not before the work is done', async () => {
  const queue = new WorkQueue();
  queue.add('a');
  await queue.take();
  queue.add('a');
  queue.add('b');
  assert.equal(await queue.take(), 'b');
  queue.done('a');
  assert.equal(await queue.take(), 'a');
  queue.close();
});

test('the sooner of two delays counts', async () => {
  const queue = new WorkQueue();
  queue.addAfter('late', 60_000);
  queue.addAfter('late', 1);
  queue.addAfter('late', 60_000);
  // The queue's timers keep no process alive.
  const alive = setInterval(() => {}, 1_000);
  assert.equal(await queue.take(), 'late');
  clearInterval(alive);
  queue.close();
});

test('delays of a failing key double until it is forgotten', () => {
  const queue = new WorkQueue({ firstRetryMs: 10, maxRetryMs: 40 });
  const inRange = (ms: number, base: number) => assert.ok(ms >= base && ms <= base * 1.2, `${ms} is not near ${base}`);
  for (const base of [10, 20, 40, 40]) inRange(queue.addFailed('a'), base);
  queue.forget('a');
  inRange(queue.addFailed('a'), 10);
  queue.close();
});

test('a controller retries what failed, and never works twice at once on a key', async () => {
  const active = new Map<string, number>();
  const done: string[] = [];
  let failures = 2;
  const controller = runController({
    name: 'test',
    log,
    workers: 3,
    async sync(key) {
      active.set(key, (active.get(key) ?? 0) + 1);
      assert.equal(active.get(key), 1);
      await new Promise((resolve) => setImmediate(resolve));
      active.set(key, 0);
      if (key === 'a' && failures-- > 0) throw new Error('not yet');
      done.push(key);
    },
  });
  controller.enqueue('a');
  controller.enqueue('a');
  controller.enqueue('b');
  await waitFor(() => done.length === 2, { what: 'both keys', timeoutMs: 30_000, intervalMs: 1 });
  assert.deepEqual(done.sort(), ['a', 'b']);
  const lines = queueMetricLines([controller]).filter((line) => !line.startsWith('#'));
  const value = (name: string) => lines.find((line) => line.startsWith(`${name}{name="test"}`))?.split(' ')[1];
  assert.equal(value('workqueue_adds_total'), '4');
  assert.equal(value('workqueue_retries_total'), '2');
  assert.equal(value('workqueue_depth'), '0');
  assert.equal(value('workqueue_work_duration_seconds_count'), '4');
  assert.equal(value('workqueue_queue_duration_seconds_count'), '4');
  await controller.stop();
});
