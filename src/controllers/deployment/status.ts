import { isDeepStrictEqual } from 'node:util';
import type { Deployment, ReplicaSet } from '../../api/types.ts';
import { timestamp } from '../time.ts';
import { availableIn, fenceposts, replicasOf, sumOf } from './numbers.ts';

export type Status = NonNullable<Deployment['status']>;
export type Condition = NonNullable<Status['conditions']>[number];

/** kube-controller-manager's reasons of `Progressing`. */
export const reasons = {
  created: 'NewReplicaSetCreated',
  found: 'FoundNewReplicaSet',
  createFailed: 'ReplicaSetCreateError',
  updated: 'ReplicaSetUpdated',
  available: 'NewReplicaSetAvailable',
  timedOut: 'ProgressDeadlineExceeded',
  paused: 'DeploymentPaused',
  resumed: 'DeploymentResumed',
} as const;

const NO_DEADLINE = 2 ** 31 - 1;

/** Seconds that a rollout may make no progress; undefined where it may take forever. */
export function progressDeadline(deployment: Deployment): number | undefined {
  const seconds = deployment.spec?.progressDeadlineSeconds;
  return seconds === undefined || seconds === NO_DEADLINE ? undefined : seconds;
}

export function conditionOf(status: Status | undefined, type: string): Condition | undefined {
  return status?.conditions?.find((condition) => condition.type === type);
}

export type Change = Pick<Condition, 'type' | 'status' | 'reason' | 'message'>;

/** Conditions with one more; one of the same status and reason stays as it is. */
export function withCondition(conditions: readonly Condition[], change: Change): Condition[] {
  const present = conditions.find((condition) => condition.type === change.type);
  if (present?.status === change.status && present.reason === change.reason) return [...conditions];
  const now = timestamp();
  const lastTransitionTime = present?.status === change.status ? present.lastTransitionTime : now;
  return [...without(conditions, change.type), { ...change, lastUpdateTime: now, lastTransitionTime }];
}

const without = (conditions: readonly Condition[], type: string): Condition[] =>
  conditions.filter((condition) => condition.type !== type);

/** Numbers of all ReplicaSets, and whether enough pods are available. `conditions`: those known so far. */
export function countStatus(
  deployment: Deployment,
  all: readonly ReplicaSet[],
  newSet: ReplicaSet | undefined,
  conditions: readonly Condition[],
): Status {
  const available = sumOf(all, availableIn);
  const enough = available >= replicasOf(deployment) - fenceposts(deployment).unavailable;
  const present = (set: ReplicaSet) => set.status?.replicas ?? 0;
  return {
    observedGeneration: deployment.metadata?.generation,
    replicas: sumOf(all, present),
    updatedReplicas: newSet ? present(newSet) : 0,
    readyReplicas: sumOf(all, (set) => set.status?.readyReplicas ?? 0),
    availableReplicas: available,
    unavailableReplicas: Math.max(0, sumOf(all, replicasOf) - available),
    terminatingReplicas: sumOf(all, (set) => set.status?.terminatingReplicas ?? 0),
    collisionCount: deployment.status?.collisionCount,
    conditions: withCondition(conditions, {
      type: 'Available',
      status: enough ? 'True' : 'False',
      reason: enough ? 'MinimumReplicasAvailable' : 'MinimumReplicasUnavailable',
      message: enough ? 'Deployment has minimum availability.' : 'Deployment does not have minimum availability.',
    }),
  };
}

/** The same with how the rollout goes on, and failures of ReplicaSets. */
export function rolloutStatus(
  deployment: Deployment,
  all: readonly ReplicaSet[],
  newSet: ReplicaSet | undefined,
  known: readonly Condition[],
): Status {
  const status = countStatus(deployment, all, newSet, known);
  let conditions = status.conditions ?? [];
  const progress = progressOf(deployment, status, newSet);
  if (progressDeadline(deployment) === undefined) conditions = without(conditions, 'Progressing');
  else if (progress) conditions = setProgress(conditions, progress);
  const failure = all.flatMap((set) => set.status?.conditions ?? []).find((each) => each.type === 'ReplicaFailure');
  conditions = without(conditions, 'ReplicaFailure');
  if (failure) conditions = withCondition(conditions, { ...failure });
  return { ...status, conditions };
}

/** Progress that goes on is told anew each time: the deadline counts from the last one. */
function setProgress(conditions: readonly Condition[], change: Change): Condition[] {
  if (change.reason !== reasons.updated) return withCondition(conditions, change);
  const present = conditions.find((condition) => condition.type === change.type);
  const [made] = withCondition([], change);
  if (!made) return [...conditions];
  const lastTransitionTime = present?.status === change.status ? present.lastTransitionTime : made.lastTransitionTime;
  return [...without(conditions, change.type), { ...made, lastTransitionTime }];
}

function progressOf(deployment: Deployment, status: Status, newSet: ReplicaSet | undefined): Change | undefined {
  const present = conditionOf(status, 'Progressing');
  if (status.replicas === status.updatedReplicas && present?.reason === reasons.available) return undefined;
  const what = newSet ? `ReplicaSet "${newSet.metadata?.name}"` : `Deployment "${deployment.metadata?.name}"`;
  const type = 'Progressing';
  if (isComplete(deployment, status)) {
    return { type, status: 'True', reason: reasons.available, message: `${what} has successfully progressed.` };
  }
  if (hasProgressed(deployment.status, status)) {
    return { type, status: 'True', reason: reasons.updated, message: `${what} is progressing.` };
  }
  if (isTimedOut(deployment, present)) {
    return { type, status: 'False', reason: reasons.timedOut, message: `${what} has timed out progressing.` };
  }
  return undefined;
}

export function isComplete(deployment: Deployment, status: Status): boolean {
  const desired = replicasOf(deployment);
  return (
    status.updatedReplicas === desired &&
    status.replicas === desired &&
    status.availableReplicas === desired &&
    (status.observedGeneration ?? 0) >= (deployment.metadata?.generation ?? 0)
  );
}

function hasProgressed(before: Status | undefined, now: Status): boolean {
  const updated = (status: Status | undefined) => status?.updatedReplicas ?? 0;
  const old = (status: Status | undefined) => (status?.replicas ?? 0) - updated(status);
  return (
    updated(now) > updated(before) ||
    old(now) < old(before) ||
    (now.readyReplicas ?? 0) > (before?.readyReplicas ?? 0) ||
    (now.availableReplicas ?? 0) > (before?.availableReplicas ?? 0)
  );
}

function isTimedOut(deployment: Deployment, progress: Condition | undefined): boolean {
  if (!progress || progress.reason === reasons.available) return false;
  if (progress.reason === reasons.timedOut) return true;
  return (untilTimeout(deployment, progress) ?? 1) <= 0;
}

/** Time in ms until a rollout without progress is given up; undefined where that cannot happen. */
export function untilTimeout(deployment: Deployment, progress: Condition | undefined): number | undefined {
  const seconds = progressDeadline(deployment);
  if (seconds === undefined || !progress?.lastUpdateTime || deployment.spec?.paused) return undefined;
  if (progress.reason === reasons.available || progress.reason === reasons.timedOut) return undefined;
  return Date.parse(progress.lastUpdateTime) + seconds * 1000 - Date.now();
}

export function sameStatus(a: Status | undefined, b: Status): boolean {
  return isDeepStrictEqual(canonical(a), canonical(b));
}

/** Zero and absent mean the same, and the order of conditions means nothing. */
function canonical(status: Status | undefined): Record<string, unknown> {
  const conditions = (status?.conditions ?? []).toSorted((a, b) => a.type.localeCompare(b.type));
  const entries = Object.entries({ ...status, conditions });
  return Object.fromEntries(entries.filter(([, value]) => value !== undefined && value !== 0));
}
