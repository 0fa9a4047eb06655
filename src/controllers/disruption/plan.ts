import type { Pod, PodDisruptionBudget } from '../../api/types.ts';
import { scaled } from '../int-or-percent.ts';
import { isReady, isTerminating } from '../pods.ts';
import { timestamp } from '../time.ts';

type Status = NonNullable<PodDisruptionBudget['status']>;

/** A pod that was evicted and is still there after so long is not going any more. */
const DELETION_TIMEOUT_MS = 2 * 60_000;

/** Whether the budget speaks of what the pods' controllers want, and not of a number alone. */
export const needsScale = ({ spec }: PodDisruptionBudget): boolean =>
  spec?.maxUnavailable !== undefined || String(spec?.minAvailable ?? '').endsWith('%');

export interface BudgetPlan {
  readonly status: Status;
  /** When an eviction that came to nothing is forgotten; ms from now. */
  readonly recheckMs?: number;
}

/** How many of the pods may go. `expected`: those that their controllers want. */
export function planBudget(
  budget: PodDisruptionBudget,
  pods: readonly Pod[],
  expected: number,
  now: number,
): BudgetPlan {
  const { disrupted, recheckMs } = stillDisrupted(budget, pods, now);
  const desiredHealthy = desiredOf(budget, expected);
  const currentHealthy = pods.filter(
    (pod) => isReady(pod) && !isTerminating(pod) && disrupted[pod.metadata?.name ?? ''] === undefined,
  ).length;
  const disruptionsAllowed = expected > 0 ? Math.max(0, currentHealthy - desiredHealthy) : 0;
  const status: Status = {
    currentHealthy,
    desiredHealthy,
    disruptionsAllowed,
    expectedPods: expected,
    disruptedPods: Object.keys(disrupted).length > 0 ? disrupted : undefined,
    observedGeneration: budget.metadata?.generation,
    conditions: withCondition(budget, disruptionsAllowed > 0 ? 'SufficientPods' : 'InsufficientPods', ''),
  };
  return { status, recheckMs };
}

/** The status of a budget that cannot be worked out: nothing may go. */
export function failedStatus(budget: PodDisruptionBudget, message: string): Status {
  const { currentHealthy = 0, desiredHealthy = 0, expectedPods = 0, disruptedPods } = budget.status ?? {};
  const conditions = withCondition(budget, 'SyncFailed', message);
  const observedGeneration = budget.metadata?.generation;
  return {
    currentHealthy,
    desiredHealthy,
    expectedPods,
    disruptedPods,
    disruptionsAllowed: 0,
    observedGeneration,
    conditions,
  };
}

function desiredOf({ spec }: PodDisruptionBudget, expected: number): number {
  if (spec?.maxUnavailable !== undefined) {
    return Math.max(0, expected - scaled(spec.maxUnavailable, expected, Math.ceil));
  }
  return scaled(spec?.minAvailable ?? 1, expected, Math.ceil);
}

/** Evictions that were allowed and whose pods are not seen going yet. */
function stillDisrupted(budget: PodDisruptionBudget, pods: readonly Pod[], now: number) {
  const disrupted: Record<string, string> = {};
  let recheckMs: number | undefined;
  for (const [name, time] of Object.entries(budget.status?.disruptedPods ?? {})) {
    const pod = pods.find(({ metadata }) => metadata?.name === name);
    const left = Date.parse(time) + DELETION_TIMEOUT_MS - now;
    if (!pod || isTerminating(pod) || left <= 0) continue;
    disrupted[name] = time;
    recheckMs = Math.min(recheckMs ?? left, left) + 1;
  }
  return { disrupted, recheckMs };
}

function withCondition(budget: PodDisruptionBudget, reason: string, message: string): Status['conditions'] {
  const type = 'DisruptionAllowed';
  const status = reason === 'SufficientPods' ? 'True' : 'False';
  const conditions = budget.status?.conditions ?? [];
  const present = conditions.find((condition) => condition.type === type);
  if (present?.status === status && present.reason === reason && present.message === message) return conditions;
  const lastTransitionTime = present?.status === status ? present.lastTransitionTime : timestamp();
  const observedGeneration = budget.metadata?.generation;
  const condition = { type, status, reason, message, lastTransitionTime, observedGeneration };
  return [...conditions.filter((each) => each.type !== type), condition];
}
