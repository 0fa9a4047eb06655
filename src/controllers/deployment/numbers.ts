import type { Deployment, ReplicaSet } from '../../api/types.ts';
import { scaled } from '../int-or-percent.ts';

/** Marks of a ReplicaSet that its Deployment reads again: the scale it was last brought to. */
export const DESIRED_REPLICAS = 'deployment.kubernetes.io/desired-replicas';
export const MAX_REPLICAS = 'deployment.kubernetes.io/max-replicas';

export const replicasOf = (object: Deployment | ReplicaSet): number => object.spec?.replicas ?? 1;
export const sumOf = (sets: readonly ReplicaSet[], value: (set: ReplicaSet) => number): number =>
  sets.reduce((sum, set) => sum + value(set), 0);
export const availableIn = (set: ReplicaSet): number => set.status?.availableReplicas ?? 0;
export const isActiveSet = (set: ReplicaSet): boolean => replicasOf(set) > 0;
export const isRollingUpdate = (deployment: Deployment): boolean => deployment.spec?.strategy?.type !== 'Recreate';

export const byAge = (a: ReplicaSet, b: ReplicaSet): number =>
  (a.metadata?.creationTimestamp ?? '').localeCompare(b.metadata?.creationTimestamp ?? '') ||
  (a.metadata?.name ?? '').localeCompare(b.metadata?.name ?? '');

/**
 * How many pods a rolling update may have too many and too few. A share is rounded up for the surge and down for
 * what is unavailable; both may not be zero, or nothing could move.
 */
export function fenceposts(deployment: Deployment): { readonly surge: number; readonly unavailable: number } {
  if (!isRollingUpdate(deployment)) return { surge: 0, unavailable: 0 };
  const desired = replicasOf(deployment);
  const { maxSurge = '25%', maxUnavailable = '25%' } = deployment.spec?.strategy?.rollingUpdate ?? {};
  const surge = scaled(maxSurge, desired, Math.ceil);
  const unavailable = scaled(maxUnavailable, desired, Math.floor);
  return { surge, unavailable: Math.min(desired, surge === 0 && unavailable === 0 ? 1 : unavailable) };
}

/** What the new ReplicaSet may grow to now. */
export function newReplicas(
  deployment: Deployment,
  all: readonly ReplicaSet[],
  newSet: ReplicaSet | undefined,
): number {
  const desired = replicasOf(deployment);
  if (!isRollingUpdate(deployment)) return desired;
  const present = newSet ? replicasOf(newSet) : 0;
  const room = desired + fenceposts(deployment).surge - sumOf(all, replicasOf);
  return room <= 0 ? present : present + Math.min(room, desired - present);
}

/**
 * What old ReplicaSets may shrink to now: pods that are not available go first, as they serve nobody, then as many
 * as leave the minimum available. Oldest sets first. Returns only those that change.
 */
export function oldReplicas(
  deployment: Deployment,
  old: readonly ReplicaSet[],
  newSet: ReplicaSet,
): Map<ReplicaSet, number> {
  const all = [...old, newSet];
  const minAvailable = replicasOf(deployment) - fenceposts(deployment).unavailable;
  const newUnavailable = replicasOf(newSet) - availableIn(newSet);
  const surplus = sumOf(all, replicasOf) - minAvailable - newUnavailable;
  const sizes = new Map<ReplicaSet, number>();
  if (surplus <= 0) return sizes;

  const sizeOf = (set: ReplicaSet) => sizes.get(set) ?? replicasOf(set);
  let unhealthy = surplus;
  for (const set of old.toSorted(byAge)) {
    const count = Math.min(unhealthy, replicasOf(set) - availableIn(set));
    if (count <= 0) continue;
    sizes.set(set, replicasOf(set) - count);
    unhealthy -= count;
  }
  let healthy = sumOf(all, availableIn) - minAvailable;
  for (const set of old.toSorted(byAge)) {
    const count = Math.min(healthy, sizeOf(set));
    if (count <= 0) continue;
    sizes.set(set, sizeOf(set) - count);
    healthy -= count;
  }
  return sizes;
}

/**
 * Divides a change of `spec.replicas` in the middle of a rollout among all active ReplicaSets by their size, so that
 * the risk of the rollout stays what it was. What rounding leaves goes to the largest.
 */
export function proportionalReplicas(deployment: Deployment, active: readonly ReplicaSet[]): Map<ReplicaSet, number> {
  const desired = replicasOf(deployment);
  const allowed = desired > 0 ? desired + fenceposts(deployment).surge : 0;
  const change = allowed - sumOf(active, replicasOf);
  const newerFirst = change > 0 ? -1 : 1;
  const sets = active.toSorted((a, b) => replicasOf(b) - replicasOf(a) || newerFirst * byAge(a, b));
  const sizes = new Map<ReplicaSet, number>();
  let left = change;
  for (const set of sets) {
    const share = change === 0 ? 0 : shareOf(deployment, set, left);
    sizes.set(set, replicasOf(set) + share);
    left -= share;
  }
  const largest = sets[0];
  if (largest && left !== 0) sizes.set(largest, Math.max(0, (sizes.get(largest) ?? 0) + left));
  return sizes;
}

function shareOf(deployment: Deployment, set: ReplicaSet, left: number): number {
  const desired = replicasOf(deployment);
  const size = replicasOf(set);
  if (desired === 0) return -size;
  const before = Number(set.metadata?.annotations?.[MAX_REPLICAS]) || (deployment.status?.replicas ?? 0);
  if (before === 0) return 0;
  const share = Math.round((size * (desired + fenceposts(deployment).surge)) / before) - size;
  return left > 0 ? Math.min(share, left) : Math.max(share, left);
}
