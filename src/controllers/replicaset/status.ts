import type { Pod, ReplicaSet } from '../../api/types.ts';
import { messageOf } from '../../base/errors.ts';
import { matchesLabels } from '../labels.ts';
import type { Failure } from '../owned-pods.ts';
import { hasEnded, isActive, isReady, isTerminating, untilAvailable } from '../pods.ts';
import { timestamp } from '../time.ts';
import type { Replicated } from './controller.ts';

type Status = NonNullable<ReplicaSet['status']>;

export function statusOf(set: Replicated, owned: readonly Pod[], failure: Failure | undefined, now: number): Status {
  const active = owned.filter(isActive);
  const labels = set.spec?.template?.metadata?.labels ?? {};
  const minReadySeconds = set.spec?.minReadySeconds ?? 0;
  return {
    replicas: active.length,
    fullyLabeledReplicas: count(active, (pod) => matchesLabels(labels, pod.metadata?.labels)),
    readyReplicas: count(active, isReady),
    availableReplicas: count(active, (pod) => untilAvailable(pod, minReadySeconds, now) === 0),
    terminatingReplicas: owned.filter((pod) => isTerminating(pod) && !hasEnded(pod)).length,
    observedGeneration: set.metadata?.generation,
    conditions: conditionsOf(set, failure, now),
  };
}

/** Kubernetes' own types do not write these zeros. */
function count(pods: readonly Pod[], test: (pod: Pod) => boolean): number | undefined {
  return pods.filter(test).length || undefined;
}

function conditionsOf(set: Replicated, failure: Failure | undefined, now: number): Status['conditions'] {
  const others = (set.status?.conditions ?? []).filter((condition) => condition.type !== 'ReplicaFailure');
  const present = set.status?.conditions?.find((condition) => condition.type === 'ReplicaFailure');
  if (!failure) return others.length > 0 ? others : undefined;
  // Kept as it is while the reason stays, so that a failure that goes on is no change.
  if (present?.reason === failure.reason) return set.status?.conditions;
  const { reason, error } = failure;
  const condition = { type: 'ReplicaFailure', status: 'True', reason, message: messageOf(error) };
  return [...others, { ...condition, lastTransitionTime: timestamp(now) }];
}
