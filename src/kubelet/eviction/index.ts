import { setTimeout as delay } from 'node:timers/promises';
import type { Pod } from '../../api/types.ts';
import { messageOf } from '../../base/errors.ts';
import type { Log } from '../../base/log.ts';
import type { Running } from '../../base/running.ts';
import { isCritical } from '../critical.ts';
import type { Pressure } from '../node-status.ts';
import type { Eviction } from '../pod-end.ts';
import { durationOf, type ResolvedSettings } from '../settings.ts';
import { type Assessment, assess, calm, isPassed, type PressureState } from './pressure.ts';
import { evictionMessage, rankPods } from './ranking.ts';
import { observe, type Sources } from './signals.ts';
import { exceededStorage, hasStorageLimit } from './storage-limits.ts';
import { SIGNALS, type Signal, type Threshold, thresholdsOf } from './thresholds.ts';
import { type Measured, measureUsage } from './usage.ts';

export interface EvictionOptions {
  readonly log: Log;
  readonly settings: ResolvedSettings;
  readonly measured: Measured;
  readonly sources: Sources;
  /** The node's pods that run. */
  pods(): readonly Pod[];
  /** Ends a pod for good; resolves when nothing of it runs any more. */
  evict(pod: Pod, eviction: Eviction): Promise<void>;
  /** Tells the node's conditions that are true, when they change. */
  conditions(conditions: readonly Pressure[]): void;
  /** Tells of an attempt to get some of a resource back. */
  reclaiming(resource: string): void;
  /** Removes what nobody uses from the node's disks. */
  freeDisk(): Promise<void>;
}

/** The kubelet's `evictionMonitoringPeriod`. */
const LOOK_MS = 10_000;
/** Grace at a hard threshold, in s. */
const HARD_GRACE_S = 1;

/** Ends pods while the node runs short of memory, disk or process numbers, one at a time, the cheapest loss first. */
export function startEviction(options: EvictionOptions): Running {
  const abort = new AbortController();
  const { signal } = abort;
  const look = createLook(options);
  const running = (async () => {
    while (!signal.aborted) {
      let evicted = false;
      try {
        evicted = await look();
      } catch (error) {
        if (!signal.aborted) options.log.warn('cannot see what the node runs short of', { error: messageOf(error) });
      }
      // After one pod it may be enough, or not: look at once.
      if (!evicted) await delay(LOOK_MS, undefined, { signal, ref: false }).catch(() => undefined);
    }
  })();
  return {
    async stop() {
      abort.abort();
      await running;
    },
  };
}

/** One look at the node; resolves to whether a pod was ended. */
function createLook(options: EvictionOptions): () => Promise<boolean> {
  const thresholds = thresholdsOf(options.settings).filter((each) => isSeenHere(each, options.settings));
  const signals = new Set<Signal>(thresholds.map((each) => each.signal));
  const transitionMs = durationOf(options.settings.evictionPressureTransitionPeriod);
  let state: PressureState = calm;
  let told = '';
  return async () => {
    const observations = await observe(signals, options.sources);
    const assessment: Assessment = assess(thresholds, observations, state, performance.now(), transitionMs);
    state = assessment.state;
    const now = assessment.conditions.toSorted().join();
    if (now !== told) options.conditions(assessment.conditions);
    told = now;
    if (await enforceStorageLimits(options)) return true;
    const threshold = assessment.acting[0];
    if (!threshold) return false;
    const { resource, condition } = SIGNALS[threshold.signal];
    options.reclaiming(resource);
    if (condition === 'DiskPressure') {
      await options.freeDisk();
      const after = await observe(signals, options.sources);
      if (!thresholds.some((each) => isPassed(each, after, true))) return false;
    }
    return await evictOne(options, threshold, observations);
  };
}

/** Where nothing is kept back the pods' share of the memory is the machine's, which is looked at already. */
function isSeenHere({ signal }: Threshold, { systemReserved, kubeReserved }: ResolvedSettings): boolean {
  const reserved = systemReserved.memory !== undefined || kubeReserved.memory !== undefined;
  return signal !== 'allocatableMemory.available' || reserved;
}

async function evictOne(
  options: EvictionOptions,
  threshold: Threshold,
  observations: Awaited<ReturnType<typeof observe>>,
): Promise<boolean> {
  const { resource } = SIGNALS[threshold.signal];
  const candidates = options.pods();
  const usage = await measureUsage(candidates, resource, options.measured);
  const pod = rankPods(candidates, resource, usage).find((each) => !isCritical(each));
  if (!pod) {
    options.log.warn('the node runs short, and there is no pod to end', { resource });
    return false;
  }
  const message = evictionMessage(pod, threshold, observations, usage(pod));
  const graceSeconds = threshold.kind === 'hard' ? HARD_GRACE_S : options.settings.evictionMaxPodGracePeriod;
  await options.evict(pod, { reason: 'Evicted', message, graceSeconds, disruption: message });
  return true;
}

async function enforceStorageLimits(options: EvictionOptions): Promise<boolean> {
  const limited = options.pods().filter((pod) => hasStorageLimit(pod) && !isCritical(pod));
  if (limited.length === 0) return false;
  const usage = await measureUsage(limited, 'ephemeral-storage', options.measured);
  let evicted = false;
  for (const pod of limited) {
    const message = await exceededStorage(pod, usage, options.measured.paths);
    if (message === undefined) continue;
    await options.evict(pod, { reason: 'Evicted', message, graceSeconds: HARD_GRACE_S });
    evicted = true;
  }
  return evicted;
}
