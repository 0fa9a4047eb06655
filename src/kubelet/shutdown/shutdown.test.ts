import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, type TestContext, test } from 'node:test';
import type { Pod } from '../../api/types.ts';
import { createLog } from '../../base/log.ts';
import type { Eviction } from '../pod-end.ts';
import { resolveSettings } from '../settings.ts';
import { createNodeShutdown, type NodeShutdownOptions } from './index.ts';
import { groupPods, shutdownPeriods } from './periods.ts';

const pod = (name: string, priority: number, terminationGracePeriodSeconds = 30): Pod => ({
  metadata: { name, uid: name },
  spec: { containers: [], priority, terminationGracePeriodSeconds },
});
const period = (priority: number, shutdownGracePeriodSeconds: number) => ({ priority, shutdownGracePeriodSeconds });

describe('periods', () => {
  test('of a whole and its critical part are two', () => {
    const settings = resolveSettings({ shutdownGracePeriod: '30s', shutdownGracePeriodCriticalPods: '10s' });
    assert.deepEqual(shutdownPeriods(settings), [period(0, 20), period(2_000_000_000, 10)]);
    assert.deepEqual(shutdownPeriods(resolveSettings()), []);
  });

  test('by priority go from the lowest to the highest', () => {
    const chosen = [period(100_000, 10), period(0, 60), period(10_000, 180)];
    const settings = resolveSettings({ shutdownGracePeriodByPodPriority: chosen });
    assert.deepEqual(
      shutdownPeriods(settings).map(({ priority }) => priority),
      [0, 10_000, 100_000],
    );
  });

  test('a pod belongs to the highest one that is not above it, and below all to the lowest', () => {
    const periods = [period(0, 60), period(10_000, 180), period(100_000, 10)];
    const priorities = [-5, 0, 9_999, 10_000, 99_999, 100_000, 2_000_001_000];
    const groups = groupPods(
      periods,
      priorities.map((each) => pod(String(each), each)),
    );
    assert.deepEqual(
      groups.map(({ pods }) => pods.map(({ metadata }) => Number(metadata?.name))),
      [
        [-5, 0, 9_999],
        [10_000, 99_999],
        [100_000, 2_000_001_000],
      ],
    );
  });
});

describe('a shutdown', () => {
  test('ends a group when the one before has ended, each pod in the time that both have', async (t) => {
    const { begin, ended, asked, settle } = shuttingDown(t, [pod('plain', 0, 5), pod('critical', 2_000_000_000)]);
    const done = begin();
    await settle();
    assert.deepEqual(asked, [['plain', 5]]);
    ended('plain');
    await settle();
    assert.deepEqual(asked, [
      ['plain', 5],
      ['critical', 10],
    ]);
    ended('critical');
    await done;
  });

  test('goes on when the time of a group is over, and waits for no group without pods', async (t) => {
    const { begin, asked, settle, shutdown } = shuttingDown(t, [pod('deaf', 0), pod('critical', 2_000_000_000)]);
    const done = begin();
    await settle();
    t.mock.timers.tick(19_999);
    await settle();
    assert.deepEqual(asked, [['deaf', 20]]);
    assert.equal(shutdown.record().endTime, undefined);
    t.mock.timers.tick(1);
    await settle();
    assert.deepEqual(asked.at(-1), ['critical', 10]);
    t.mock.timers.tick(10_000);
    await done;
    const { startTime = 0, endTime = 0 } = shutdown.record();
    assert.equal(endTime - startTime, 30_000);

    const empty = shuttingDown(t, []);
    await empty.begin();
  });

  test('lets no pod in, tells of it, and is remembered by the next kubelet', async (t) => {
    const { begin, shutdown, told, options } = shuttingDown(t, []);
    assert.equal(shutdown.rejection(), undefined);
    await begin();
    assert.ok(shutdown.isComing());
    assert.deepEqual(shutdown.rejection(), {
      reason: 'NodeShutdown',
      message: 'Pod was rejected as the node is shutting down.',
    });
    assert.deepEqual(told, ['Shutdown manager detected shutdown event']);
    const next = createNodeShutdown(options);
    assert.equal(next.isComing(), false);
    assert.deepEqual(next.record(), shutdown.record());
  });

  test('that is called off ends no further group', async (t) => {
    const { begin, asked, told, settle, shutdown } = shuttingDown(t, [pod('plain', 0), pod('critical', 2_000_000_000)]);
    const done = begin();
    await settle();
    shutdown.cancel();
    await done;
    assert.deepEqual(asked, [['plain', 20]]);
    assert.equal(shutdown.rejection(), undefined);
    assert.equal(told.at(-1), 'Shutdown manager detected shutdown cancellation');
  });
});

/** A node with 30 s, 10 of them for critical pods; time goes on where the test says so. */
function shuttingDown(t: TestContext, pods: readonly Pod[]) {
  t.mock.timers.reset();
  t.mock.timers.enable({ apis: ['setTimeout', 'Date'], now: 1_000_000 });
  const rootDir = mkdtempSync(join(tmpdir(), 'knit-test-shutdown-'));
  t.after(() => rmSync(rootDir, { recursive: true }));
  const waiting = new Map(pods.map(({ metadata }) => [metadata?.name, Promise.withResolvers<void>()]));
  const asked: [string | undefined, number | undefined][] = [];
  const told: string[] = [];
  const options: NodeShutdownOptions = {
    log: createLog('test'),
    rootDir,
    periods: shutdownPeriods(resolveSettings({ shutdownGracePeriod: '30s', shutdownGracePeriodCriticalPods: '10s' })),
    pods: () => pods,
    async evict({ metadata }: Pod, { graceSeconds }: Eviction) {
      asked.push([metadata?.name, graceSeconds]);
      await waiting.get(metadata?.name)?.promise;
    },
    tell: (message) => told.push(message),
    changed: () => undefined,
  };
  const shutdown = createNodeShutdown(options);
  return {
    options,
    shutdown,
    asked,
    told,
    begin: shutdown.begin,
    ended: (name: string) => waiting.get(name)?.resolve(),
    /** Lets all that can go on do so. */
    settle: () => new Promise<void>((resolve) => setImmediate(resolve)),
  };
}
