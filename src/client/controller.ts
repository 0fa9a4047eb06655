import type { Log } from '../base/log.ts';
import type { Running } from '../base/running.ts';
import { isConflict, isNotFound } from './client.ts';
import type { Key } from './informer.ts';
import { type QueueOptions, WorkQueue } from './queue.ts';
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

/** What a controller did so far, as its metrics tell it. Times in ms. */
export interface ControllerCounters {
  depth: number;
  active: number;
  syncs: number;
  failures: number;
  retries: number;
  /** Sum of the times keys waited and were worked on; divide by `syncs`. */
  waitedMs: number;
  workedMs: number;
}

export interface Controller extends Running {
  readonly name: string;
  enqueue(key: Key): void;
  enqueueAfter(key: Key, ms: number): void;
  readonly counters: Readonly<ControllerCounters>;
}

/** Failures that mend themselves (a newer object, one that is gone, a server that restarts) are told only when they last this long. */
const QUIET_FAILURES = 5;

/** Starts workers that call `sync` for each key that is enqueued, never twice at once for one key. */
export function runController(options: ControllerOptions): Controller {
  const { name, sync, workers = 4 } = options;
  const log = options.log.child(name);
  const queue = new WorkQueue(options);
  const abort = new AbortController();
  const totals = { active: 0, syncs: 0, failures: 0, retries: 0, waitedMs: 0, workedMs: 0 };

  const failed = (key: Key, error: unknown): void => {
    totals.failures++;
    if (abort.signal.aborted) return;
    const retryMs = Math.round(queue.addFailed(key));
    totals.retries++;
    const passing = isConflict(error) || isNotFound(error) || isUnreachable(error);
    if (!passing || queue.failures(key) > QUIET_FAILURES) log.warn('sync failed', { key, error, retryMs });
  };

  const stopped = Promise.withResolvers<void>();
  const synced = Promise.all((options.informers ?? []).map((informer) => informer.synced));

  const work = async (): Promise<void> => {
    await Promise.race([synced, stopped.promise]);
    for (let key = await queue.take(); key !== undefined; key = await queue.take()) {
      const started = performance.now();
      totals.waitedMs += queue.waited(key);
      totals.active++;
      try {
        await sync(key, abort.signal);
        queue.forget(key);
      } catch (error) {
        failed(key, error);
      } finally {
        totals.active--;
        totals.syncs++;
        totals.workedMs += performance.now() - started;
        queue.done(key);
      }
    }
  };

  const running = Array.from({ length: workers }, work);
  return {
    name,
    enqueue: (key) => queue.add(key),
    enqueueAfter: (key, ms) => queue.addAfter(key, ms),
    get counters() {
      return { ...totals, depth: queue.depth };
    },
    async stop() {
      abort.abort();
      queue.close();
      stopped.resolve();
      await Promise.all(running);
    },
  };
}
