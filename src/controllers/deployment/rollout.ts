import type { Pod, ReplicaSet } from '../../api/types.ts';
import { hasEnded } from '../pods.ts';
import {
  availableIn,
  DESIRED_REPLICAS,
  isActiveSet,
  isRollingUpdate,
  newReplicas,
  oldReplicas,
  proportionalReplicas,
  replicasOf,
} from './numbers.ts';
import { byRevision } from './revisions.ts';
import { allSets, type Rollout, type Sets } from './sets.ts';

/** Replaces old pods by new ones, a few at a time. */
export async function rollOver(rollout: Rollout, sets: Sets): Promise<void> {
  await sets.syncRevision(rollout, true);
  const { newSet, old, deployment } = rollout;
  if (!newSet) return;
  const desired = replicasOf(deployment);
  const size = replicasOf(newSet) > desired ? desired : newReplicas(deployment, allSets(rollout), newSet);
  if (await sets.scale(rollout, newSet, size)) return;
  for (const [set, smaller] of oldReplicas(deployment, old, newSet)) await sets.scale(rollout, set, smaller);
}

/** Ends all old pods, and only when they are gone starts new ones. `podsOf` gives the pods of a ReplicaSet. */
export async function recreate(
  rollout: Rollout,
  sets: Sets,
  podsOf: (set: ReplicaSet) => readonly Pod[],
): Promise<void> {
  await sets.syncRevision(rollout, false);
  let ending = false;
  for (const set of rollout.old.filter(isActiveSet)) ending = (await sets.scale(rollout, set, 0)) || ending;
  const running = (set: ReplicaSet) => (set.status?.replicas ?? 0) > 0 || podsOf(set).some((pod) => !hasEnded(pod));
  if (ending || rollout.old.some(running)) return;
  await sets.syncRevision(rollout, true);
  if (rollout.newSet) await sets.scale(rollout, rollout.newSet, replicasOf(rollout.deployment));
}

/** Whether `spec.replicas` changed since the ReplicaSets were sized. */
export function isScaling(rollout: Rollout): boolean {
  const desired = String(replicasOf(rollout.deployment));
  return allSets(rollout)
    .filter(isActiveSet)
    .some((set) => (set.metadata?.annotations?.[DESIRED_REPLICAS] ?? desired) !== desired);
}

/** Brings a change of `spec.replicas` to the ReplicaSets without rolling on. */
export async function rescale(rollout: Rollout, sets: Sets): Promise<void> {
  const { deployment, newSet, old } = rollout;
  const desired = replicasOf(deployment);
  const active = allSets(rollout).filter(isActiveSet);
  if (active.length <= 1) {
    const latest = active[0] ?? newSet ?? old.toSorted(byRevision).at(-1);
    if (latest) await sets.scale(rollout, latest, desired);
    return;
  }
  if (newSet && isSaturated(newSet, desired)) {
    for (const set of old.filter(isActiveSet)) await sets.scale(rollout, set, 0);
    return;
  }
  if (!isRollingUpdate(deployment)) return;
  for (const [set, size] of proportionalReplicas(deployment, active)) await sets.scale(rollout, set, size);
}

/** The new ReplicaSet is all that is wanted, and available. */
function isSaturated(set: ReplicaSet, desired: number): boolean {
  const sizedFor = set.metadata?.annotations?.[DESIRED_REPLICAS];
  return replicasOf(set) === desired && sizedFor === String(desired) && availableIn(set) === desired;
}
