import type { Deployment, ReplicaSet } from '../../api/types.ts';
import { DESIRED_REPLICAS, fenceposts, MAX_REPLICAS, replicasOf } from './numbers.ts';

export const REVISION = 'deployment.kubernetes.io/revision';
const REVISION_HISTORY = 'deployment.kubernetes.io/revision-history';

/** Annotations that are about the Deployment itself; all others (`kubernetes.io/change-cause`) are handed down. */
const own = new Set([
  'kubectl.kubernetes.io/last-applied-configuration',
  REVISION,
  REVISION_HISTORY,
  DESIRED_REPLICAS,
  MAX_REPLICAS,
  'deprecated.deployment.rollback.to',
]);

type Annotations = Record<string, string>;

/** 0 where none is told; Kubernetes counts them in 64 bits. */
export const revisionOf = (object: Deployment | ReplicaSet): bigint =>
  numberOf(object.metadata?.annotations?.[REVISION]);

const numberOf = (text: string | undefined): bigint => (text && /^\d+$/.test(text) ? BigInt(text) : 0n);

/** Orders ReplicaSets, the oldest first. */
export function byRevision(a: ReplicaSet, b: ReplicaSet): number {
  const [left, right] = [revisionOf(a), revisionOf(b)];
  return left < right ? -1 : left > right ? 1 : 0;
}

/** The revision that the newest template has: one more than all older ones. */
export function nextRevision(old: readonly ReplicaSet[]): bigint {
  const last = old.toSorted(byRevision).at(-1);
  return last ? revisionOf(last) + 1n : 1n;
}

/** Annotations of the new ReplicaSet: the Deployment's, its revision, and the revisions it had before a rollback. */
export function newSetAnnotations(deployment: Deployment, set: ReplicaSet | undefined, revision: bigint): Annotations {
  const annotations: Annotations = { ...set?.metadata?.annotations };
  for (const [name, value] of Object.entries(deployment.metadata?.annotations ?? {})) {
    if (!own.has(name)) annotations[name] = value;
  }
  const before = annotations[REVISION];
  if (before === undefined || numberOf(before) < revision) {
    annotations[REVISION] = String(revision);
    if (before !== undefined) {
      const history = annotations[REVISION_HISTORY];
      annotations[REVISION_HISTORY] = history ? `${history},${before}` : before;
    }
  }
  return set ? annotations : { ...annotations, ...scaleAnnotations(deployment) };
}

/** What a ReplicaSet's scale was made for; by this a change of the Deployment's scale is known later. */
export function scaleAnnotations(deployment: Deployment): Annotations {
  const desired = replicasOf(deployment);
  return {
    [DESIRED_REPLICAS]: String(desired),
    [MAX_REPLICAS]: String(desired + fenceposts(deployment).surge),
  };
}

export function hasAnnotations(set: ReplicaSet, annotations: Annotations): boolean {
  return Object.entries(annotations).every(([name, value]) => set.metadata?.annotations?.[name] === value);
}
