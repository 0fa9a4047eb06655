import { once } from 'node:events';
import { waitFor } from '../../base/wait.ts';
import { containerState } from '../cri/messages.ts';
import type { RuntimeView } from '../runtime-view.ts';

/**
 * An exit may be announced before we listen, or while the runtime restarts. So its state is looked at again all the
 * same, soon at first and then ever more seldom.
 */
const lookAgainMs = { first: 50, last: 5_000 } as const;
/** The runtime announces an exit, then drains the output, and only then calls the container exited. */
const settleMs = 10_000;

/** Resolves when the container does not run any more and its log is complete; early when `signal` fires. */
export async function whenExited(runtime: RuntimeView, containerId: string, signal: AbortSignal): Promise<void> {
  const exited = async () => !(await isRunning(runtime, containerId));
  for (let pauseMs: number = lookAgainMs.first; !signal.aborted; pauseMs = Math.min(2 * pauseMs, lookAgainMs.last)) {
    const round = new AbortController();
    const time = AbortSignal.any([signal, round.signal, AbortSignal.timeout(pauseMs)]);
    const announced = exitAnnounced(runtime, containerId, time);
    if (await exited()) return round.abort();
    if (!(await announced)) continue;
    await waitFor(exited, { what: `container ${containerId} to exit`, timeoutMs: settleMs, signal });
  }
}

/** True when the exit was announced, false when the time is over. */
async function exitAnnounced(runtime: RuntimeView, containerId: string, signal: AbortSignal): Promise<boolean> {
  try {
    for await (const id of runtime.cri.exits(signal)) {
      if (id === containerId) return true;
    }
  } catch (error) {
    // The connection broke, as it does when the runtime restarts, or the time is over; the next look tells.
    if (!(error instanceof Error)) throw error;
  }
  if (!signal.aborted) await once(signal, 'abort');
  return false;
}

/** A runtime that does not answer is taken to be on its way back, and its containers to run on. */
async function isRunning(runtime: RuntimeView, containerId: string): Promise<boolean> {
  const status = await runtime.containerStatus(containerId).catch(() => ({ state: containerState.running }));
  return status?.state === containerState.running;
}
