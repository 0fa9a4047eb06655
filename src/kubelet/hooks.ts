import { setTimeout as delay } from 'node:timers/promises';
import type { Container } from '../api/types.ts';
import { check, type ProbeTarget } from './probes/check.ts';

export type Hook = NonNullable<NonNullable<Container['lifecycle']>['postStart']>;

/** A hook has no time-out of its own in the API; postStart may take as long as a pod's start may. */
const POST_START_MS = 3_600_000;

/** Resolves to what failed, or to `undefined`. */
export async function runPostStart(hook: Hook, target: ProbeTarget, signal: AbortSignal): Promise<string | undefined> {
  return await runHook(hook, target, POST_START_MS, signal);
}

/** The hook takes its time from the pod's grace period. Resolves to what failed, or to `undefined`. */
export async function runPreStop(
  hook: Hook,
  target: ProbeTarget,
  graceMs: number,
  signal: AbortSignal,
): Promise<string | undefined> {
  return await runHook(hook, target, graceMs, signal);
}

async function runHook(
  hook: Hook,
  target: ProbeTarget,
  timeoutMs: number,
  signal: AbortSignal,
): Promise<string | undefined> {
  if (hook.sleep) {
    await delay(Math.min(hook.sleep.seconds * 1000, timeoutMs), undefined, { ref: false, signal });
    return undefined;
  }
  const { ok, message } = await check(hook, target, Math.max(1, timeoutMs));
  return ok ? undefined : message;
}
