import type { Pod } from '../../api/types.ts';
import { messageOf } from '../../base/errors.ts';
import type { Log } from '../../base/log.ts';
import type { Rejection } from '../admission.ts';
import type { Eviction } from '../pod-end.ts';
import { groupPods, type ShutdownGroup, type ShutdownPeriod } from './periods.ts';
import { readShutdownRecord, type ShutdownRecord, writeShutdownRecord } from './record.ts';

export interface NodeShutdownOptions {
  readonly log: Log;
  /** The kubelet's folder. */
  readonly rootDir: string;
  readonly periods: readonly ShutdownPeriod[];
  /** The node's pods that run. */
  pods(): readonly Pod[];
  /** Ends a pod for good; resolves when nothing of it runs any more and its volumes are free. */
  evict(pod: Pod, eviction: Eviction): Promise<void>;
  /** An event of the node. */
  tell(message: string): void;
  /** The node's condition is another one. */
  changed(): void;
}

/** A node that is told of its end beforehand (KEP-2000, KEP-2712). */
export interface NodeShutdown {
  /** Whether the node is about to go. */
  isComing(): boolean;
  /** Why no pod may begin here any more. */
  rejection(): Rejection | undefined;
  /** Of the last one. */
  record(): ShutdownRecord;
  /** Ends the node's pods, group by group; resolves when all have ended or their time is over. */
  begin(): Promise<void>;
  /** The node stays. What has ended has ended. */
  cancel(): void;
}

const MESSAGE = 'Pod was terminated in response to imminent node shutdown.';

export function createNodeShutdown(options: NodeShutdownOptions): NodeShutdown {
  const { rootDir, periods } = options;
  let cancelled: AbortController | undefined;
  let record = readShutdownRecord(rootDir);
  const keep = (next: ShutdownRecord) => {
    record = next;
    try {
      writeShutdownRecord(rootDir, next);
    } catch (error) {
      options.log.error('cannot write down the state of the shutdown', { error: messageOf(error) });
    }
  };
  return {
    isComing: () => cancelled !== undefined,
    rejection: () => cancelled && { reason: 'NodeShutdown', message: 'Pod was rejected as the node is shutting down.' },
    record: () => record,
    async begin() {
      if (cancelled || periods.length === 0) return;
      cancelled = new AbortController();
      const { signal } = cancelled;
      const startTime = Date.now();
      keep({ startTime });
      options.tell('Shutdown manager detected shutdown event');
      options.changed();
      for (const group of groupPods(periods, options.pods())) {
        if (!signal.aborted && group.pods.length > 0) await endGroup(options, group, signal);
      }
      if (!signal.aborted) keep({ startTime, endTime: Date.now() });
    },
    cancel() {
      if (!cancelled) return;
      cancelled.abort();
      cancelled = undefined;
      options.tell('Shutdown manager detected shutdown cancellation');
      options.changed();
    },
  };
}

/** Resolves when all of the group have ended, and no later than their time is over: what is left ends with the node. */
async function endGroup(options: NodeShutdownOptions, group: ShutdownGroup, signal: AbortSignal): Promise<void> {
  const seconds = group.shutdownGracePeriodSeconds;
  const ending = group.pods.map(async (pod) => {
    const graceSeconds = Math.min(seconds, pod.spec?.terminationGracePeriodSeconds ?? seconds);
    const eviction = { reason: 'Terminated', message: MESSAGE, graceSeconds, disruption: MESSAGE, maySucceed: true };
    await options.evict(pod, eviction);
  });
  const over = Promise.withResolvers<void>();
  const timer = setTimeout(over.resolve, seconds * 1000);
  signal.addEventListener('abort', () => over.resolve(), { once: true });
  await Promise.race([Promise.allSettled(ending), over.promise]);
  clearTimeout(timer);
}
