import type { Pressure } from '../node-status.ts';
import { amountOf, SIGNALS, type Signal, type Threshold } from './thresholds.ts';

export interface Observation {
  readonly available: number;
  readonly capacity: number;
}

export type Observations = ReadonlyMap<Signal, Observation>;

/** What has to be remembered from one look at the node to the next. */
export interface PressureState {
  /** When each threshold that is passed was first seen to be, in ms. */
  readonly passedSince: ReadonlyMap<Threshold, number>;
  /** When each condition was last seen, in ms. */
  readonly seenAt: ReadonlyMap<Pressure, number>;
  /** Those for which something was done, until enough is free again. */
  readonly acting: readonly Threshold[];
}

export const calm: PressureState = { passedSince: new Map(), seenAt: new Map(), acting: [] };

export interface Assessment {
  readonly state: PressureState;
  /** The node's conditions that are true. */
  readonly conditions: readonly Pressure[];
  /** Thresholds that something must be done for now, memory's first. */
  readonly acting: readonly Threshold[];
}

/**
 * Holds what was observed against the thresholds. A condition stays for `transitionMs` after it was last seen, so that
 * it does not flutter; a soft threshold is acted on only when its grace period is over.
 */
export function assess(
  thresholds: readonly Threshold[],
  observations: Observations,
  before: PressureState,
  now: number,
  transitionMs: number,
): Assessment {
  const unresolved = before.acting.filter((each) => isPassed(each, observations, true));
  const passed = new Set([...thresholds.filter((each) => isPassed(each, observations, false)), ...unresolved]);
  const passedSince = new Map([...passed].map((each) => [each, before.passedSince.get(each) ?? now]));
  const observed = new Set([...passed].map(({ signal }) => SIGNALS[signal].condition));
  const seenAt = new Map([...before.seenAt, ...[...observed].map((condition) => [condition, now] as const)]);
  const acting = [...passedSince].filter(([each, since]) => now - since >= each.graceMs).map(([each]) => each);
  const memoryFirst = acting.sort((a, b) => Number(isOfMemory(b)) - Number(isOfMemory(a)));
  return {
    state: { passedSince, seenAt, acting: memoryFirst },
    conditions: [...seenAt].filter(([, at]) => now - at < transitionMs || at === now).map(([condition]) => condition),
    acting: memoryFirst,
  };
}

const isOfMemory = ({ signal }: Threshold): boolean => SIGNALS[signal].condition === 'MemoryPressure';

/** With `reclaiming`, what must be free again beyond the threshold counts too. */
export function isPassed(threshold: Threshold, observations: Observations, reclaiming: boolean): boolean {
  const observed = observations.get(threshold.signal);
  if (!observed) return false;
  const more = reclaiming && threshold.minReclaim ? amountOf(threshold.minReclaim, observed.capacity) : 0;
  return amountOf(threshold.value, observed.capacity) + more > observed.available;
}
