import { setTimeout as delay } from 'node:timers/promises';
import { KnitError, messageOf } from '../base/errors.ts';
import type { KubeletContext } from './context.ts';
import type { PodWorker } from './pod-worker.ts';
import { settled } from './settled.ts';

/** Between two attempts to listen to the runtime. */
const RECONNECT_MS = 25;
const MAX_RECONNECT_MS = 500;
/** Everything is looked at again after this time: the runtime promises no event to who was not listening yet. */
const RESYNC_MS = 10_000;

interface Following {
  readonly signal: AbortSignal;
  /** Called when the runtime went away. */
  broke(): void;
}

/** {@link follow}, again and again; soon at first, and less often the longer the runtime stays away. */
export async function keepFollowing(
  context: KubeletContext,
  workers: ReadonlyMap<string, PodWorker>,
  resync: () => Promise<void>,
  { signal, broke }: Following,
): Promise<void> {
  let waitMs = RECONNECT_MS;
  let complained = false;
  const began = async () => {
    await resync();
    waitMs = RECONNECT_MS;
    complained = false;
  };
  while (!signal.aborted) {
    try {
      await follow(context, workers, began, signal);
    } catch (error) {
      if (signal.aborted) return;
      if (!complained) context.log.warn('the container runtime does not answer', { error: messageOf(error) });
      if (waitMs === RECONNECT_MS) broke();
      complained = true;
    }
    await delay(waitMs, undefined, { signal }).catch(() => undefined);
    waitMs = Math.min(MAX_RECONNECT_MS, waitMs * 1.2);
  }
}

/** Wakes the worker of whatever ends, until the connection to the runtime breaks. */
async function follow(
  { cri, log }: KubeletContext,
  workers: ReadonlyMap<string, PodWorker>,
  resync: () => Promise<void>,
  stopped: AbortSignal,
): Promise<void> {
  const broken = new AbortController();
  const signal = AbortSignal.any([stopped, broken.signal]);
  const listen = async () => {
    for await (const id of cri.exits(signal)) {
      settled(cri, id)
        .then(() => {
          for (const worker of workers.values()) worker.ended(id);
        })
        .catch((error: unknown) => log.warn('cannot see how a container ended', { id, error: messageOf(error) }));
    }
    throw new KnitError('RUNTIME_GONE', 'the runtime ended its event stream');
  };
  const relist = async () => {
    for (;;) {
      await resync();
      await delay(RESYNC_MS, undefined, { signal });
    }
  };
  try {
    await Promise.all([listen(), relist()]);
  } finally {
    broken.abort();
  }
}
