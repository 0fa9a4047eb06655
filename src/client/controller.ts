import type { Log } from '../base/log.ts';
import type { Running } from '../base/running.ts';
import { isConflict, isNotFound } from './client.ts';
import type { Key } from './informer.ts';
import { type QueueOptions, WorkQueue } from './queue.ts';
import { QueueMetrics } from './queue-metrics.ts';
import { isUnreachable } from './reachable.ts';

export interface ControllerOptions extends QueueOptions {
  readonly name: string;
  readonly log: Log;
  /** Nothing is worked on before these are synced: a copy that is half there would look like objects that are gone. */
  readonly informers?: readonly { readonly synced: Promise<void> }[];
  /** Keys worked on at once. Default 4: a sync mostly waits for the API server. */
  readonly workers?: number;
  /**
   * Brings one key from what is to what should be. What it throws is retried with growing delays. It is handed a
   * signal that fires when the controller stops.
   */
  sync(key: Key, signal: AbortSignal): Promise<void>;
}

export interface Controller extends Running {
  readonly name: string;
  enqueue(key: Key): void;
  enqueueAfter(key: Key, ms: number): void;
  /** Keys that wait, and all that were ever added. */
  readonly depth: number;
  readonly adds: number;
  readonly metrics: QueueMetrics;
}

/** Failures that mend themselves (a newer object, one that is gone, a server that restarts) are told only when they last this long. */
const QUIET_FAILURES = 5;

/** Starts workers that call `sync` for each key that is enqueued, never twice at once for one key. */
export function runController(options: ControllerOptions): Controller {
  const { name, sync, workers = 4 } = options;
  const log = options.log.child(name);
  const queue = new WorkQueue(options);
  const abort = new AbortController();
  const metrics = new QueueMetrics();

  const failed = (key: Key, error: unknown): void => {
    if (abort.signal.aborted) return;
    const retryMs = Math.round(queue.addFailed(key));
    metrics.retries++;
    const passing = isConflict(error) || isNotFound(error) || isUnreachable(error);
    if (!passing || queue.failures(key) > QUIET_FAILURES) log.warn('sync failed', { key, error, retryMs });
  };

  const stopped = Promise.withResolvers<void>();
  const synced = Promise.all((options.informers ?? []).map((informer) => informer.synced));

  const work = async (): Promise<void> => {
    await Promise.race([synced, stopped.promise]);
    for (let key = await queue.take(); key !== undefined; key = await queue.take()) {
      const started = performance.now();
      metrics.waited.observe(queue.waited(key) / 1000);
      metrics.begun.set(key, started);
      try {
        await sync(key, abort.signal);
        queue.forget(key);
      } catch (error) {
        failed(key, error);
      } finally {
        metrics.begun.delete(key);
        metrics.worked.observe((performance.now() - started) / 1000);
        queue.done(key);
      }
    }
  };

  const running = Array.from({ length: workers }, work);
  return {
    name,
    enqueue: (key) => queue.add(key),
    enqueueAfter: (key, ms) => queue.addAfter(key, ms),
    get depth() {
      return queue.depth;
    },
    get adds() {
      return queue.adds;
    },
    metrics,
    async stop() {
      abort.abort();
      queue.close();
      stopped.resolve();
      await Promise.all(running);
    },
  };
}
