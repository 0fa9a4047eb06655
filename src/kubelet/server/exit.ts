import { once } from 'node:events';
import { containerState } from '../cri/messages.ts';
import type { RuntimeView } from '../runtime-view.ts';

/**
 * An exit may be announced before we listen, or while the runtime restarts; and where it is announced, the runtime still
 * drains the output before it calls the container exited. So the state is looked at again, soon at first and then ever
 * more seldom.
 */
const lookAgainMs = { first: 20, last: 5_000 } as const;

/** Resolves when the container does not run any more and its log is complete, or `signal` fires; never rejects. */
export async function whenExited(runtime: RuntimeView, containerId: string, signal: AbortSignal): Promise<void> {
  let pauseMs: number = lookAgainMs.first;
  while (!signal.aborted) {
    const round = new AbortController();
    const time = AbortSignal.any([signal, round.signal, AbortSignal.timeout(pauseMs)]);
    // Listening begins before the look, so that no exit falls between the two.
    const announced = exitAnnounced(runtime, containerId, time);
    if (!(await isRunning(runtime, containerId))) return round.abort();
    pauseMs = (await announced) ? lookAgainMs.first : Math.min(2 * pauseMs, lookAgainMs.last);
  }
}

/** True when the exit was announced, false when the time is over. */
async function exitAnnounced(runtime: RuntimeView, containerId: string, signal: AbortSignal): Promise<boolean> {
  try {
    for await (const id of runtime.cri.exits(signal)) {
      if (id === containerId) return true;
    }
  } catch {
    // The connection broke, as it does when the runtime restarts, or the time is over: the next look tells.
  }
  if (!signal.aborted) await once(signal, 'abort');
  return false;
}

/** A runtime that does not answer is taken to be on its way back, and its containers to run on. */
async function isRunning(runtime: RuntimeView, containerId: string): Promise<boolean> {
  const status = await runtime.containerStatus(containerId).catch(() => ({ state: containerState.running }));
  return status?.state === containerState.running;
}
