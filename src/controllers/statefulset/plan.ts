import type { Pod, StatefulSet } from '../../api/types.ts';
import { scaled } from '../int-or-percent.ts';
import { hasEnded, isReady, isTerminating, untilAvailable } from '../pods.ts';
import { firstOrdinal, ordinalOf, replicasOf, revisionOf } from './identity.ts';

/** Names of the ControllerRevisions that a set is between. */
export interface RevisionNames {
  readonly current: string;
  readonly update: string;
}

export interface StatefulPlan {
  /** Ordinals of pods that may start, with their revisions. */
  readonly create: readonly { readonly ordinal: number; readonly revision: string }[];
  readonly remove: readonly Pod[];
  /** Among them: pods that ended by themselves. */
  readonly ended: readonly Pod[];
  /** Pods that a smaller number of replicas leaves over, whether they may go yet or not. */
  readonly condemned: readonly Pod[];
  readonly status: NonNullable<StatefulSet['status']>;
}

type Step = Pick<StatefulPlan, 'create' | 'remove' | 'ended'>;

const nothing: Step = { create: [], remove: [], ended: [] };

/**
 * What may happen next to a set's pods. In order (the default) that is one pod's change at a time, and only while all
 * before it serve; `Parallel` starts and ends all at once, but updates no more than `maxUnavailable`.
 */
export function planStatefulSet(
  set: StatefulSet,
  pods: readonly Pod[],
  revisions: RevisionNames,
  now: number,
): StatefulPlan {
  const first = firstOrdinal(set);
  const byOrdinal = new Map(pods.flatMap((pod) => [[ordinalOf(set, pod) ?? -1, pod] as const]));
  const wanted = Array.from({ length: replicasOf(set) }, (_, index) => first + index);
  const condemned = [...byOrdinal]
    .filter(([ordinal]) => ordinal >= 0 && !wanted.includes(ordinal))
    .sort(([a], [b]) => b - a)
    .map(([, pod]) => pod);
  const look: Look = { set, revisions, now, wanted, condemned, byOrdinal };
  const step = set.metadata?.deletionTimestamp ? nothing : nextStep(look);
  return { ...step, condemned, status: statusOf(look, pods) };
}

interface Look {
  readonly set: StatefulSet;
  readonly revisions: RevisionNames;
  readonly now: number;
  /** Ordinals that should have a pod, ascending. */
  readonly wanted: readonly number[];
  /** Highest ordinal first. */
  readonly condemned: readonly Pod[];
  readonly byOrdinal: ReadonlyMap<number, Pod>;
}

function nextStep(look: Look): Step {
  return look.set.spec?.podManagementPolicy === 'Parallel' ? inParallel(look) : inOrder(look);
}

function inOrder(look: Look): Step {
  for (const ordinal of look.wanted) {
    const pod = look.byOrdinal.get(ordinal);
    if (!pod) return { ...nothing, create: [missing(look, ordinal)] };
    if (hasEnded(pod)) return endOf([pod]);
    if (!serves(look, pod)) return nothing;
  }
  const [last] = look.condemned;
  if (!last) return { ...nothing, remove: outdated(look) };
  if (isTerminating(last)) return nothing;
  // One that does not serve holds up those before it, unless it is the one that goes first.
  const unhealthy = look.condemned.filter((pod) => !serves(look, pod)).at(-1);
  return unhealthy && unhealthy !== last && !serves(look, last) ? nothing : { ...nothing, remove: [last] };
}

function inParallel(look: Look): Step {
  const present = look.wanted.flatMap((ordinal) => look.byOrdinal.get(ordinal) ?? []);
  const { ended, remove } = endOf(present.filter(hasEnded));
  const create = look.wanted.filter((ordinal) => !look.byOrdinal.has(ordinal)).map((each) => missing(look, each));
  const surplus = look.condemned.filter((pod) => !isTerminating(pod));
  return { create, ended, remove: [...remove, ...surplus, ...outdated(look)] };
}

/** A pod that ended is made anew, which its name allows only when it is gone. */
function endOf(pods: readonly Pod[]): Step {
  const ended = pods.filter((pod) => !isTerminating(pod));
  return { create: [], remove: ended, ended };
}

/** Below the partition pods keep the revision that the set had. */
function missing({ set, revisions }: Look, ordinal: number): StatefulPlan['create'][number] {
  const kept = ordinal < firstOrdinal(set) + partitionOf(set);
  return { ordinal, revision: kept ? revisions.current : revisions.update };
}

const isRolling = (set: StatefulSet): boolean => set.spec?.updateStrategy?.type !== 'OnDelete';

const partitionOf = (set: StatefulSet): number =>
  isRolling(set) ? (set.spec?.updateStrategy?.rollingUpdate?.partition ?? 0) : 0;

const isRunning = (pod: Pod): boolean => pod.status?.phase === 'Running' && isReady(pod);

function serves({ set, now }: Look, pod: Pod): boolean {
  return isRunning(pod) && !isTerminating(pod) && untilAvailable(pod, set.spec?.minReadySeconds ?? 0, now) === 0;
}

/**
 * Pods of another revision that may end now, from the highest ordinal down to the partition. Those that do not serve
 * go first, as nobody misses them; so many updated ones that do not serve yet stop the update.
 */
function outdated(look: Look): Pod[] {
  const { set, revisions, wanted, byOrdinal } = look;
  if (!isRolling(set)) return [];
  const most = maxUnavailable(set);
  const isIdle = (pod: Pod | undefined) => !pod || !serves(look, pod);
  let room = most - wanted.filter((ordinal) => isIdle(byOrdinal.get(ordinal))).length;
  let waiting = 0;
  const chosen: Pod[] = [];
  for (const ordinal of wanted.toReversed()) {
    if (ordinal < firstOrdinal(set) + partitionOf(set) || waiting >= most) break;
    const pod = byOrdinal.get(ordinal);
    if (!pod || isTerminating(pod) || hasEnded(pod)) waiting++;
    else if (revisionOf(pod) === revisions.update) waiting += isIdle(pod) ? 1 : 0;
    else if (isIdle(pod)) {
      chosen.push(pod);
      waiting++;
    } else if (room > 0) {
      chosen.push(pod);
      room--;
    }
  }
  return chosen;
}

function maxUnavailable(set: StatefulSet): number {
  const asked = set.spec?.updateStrategy?.rollingUpdate?.maxUnavailable ?? 1;
  return Math.max(1, scaled(asked, replicasOf(set), Math.floor));
}

function statusOf(look: Look, pods: readonly Pod[]): NonNullable<StatefulSet['status']> {
  const { set, revisions } = look;
  const count = (test: (pod: Pod) => boolean) => pods.filter(test).length;
  const isOf = (revision: string) => count((pod) => revisionOf(pod) === revision && !isTerminating(pod));
  const replicas = pods.length;
  const readyReplicas = count(isRunning);
  const updatedReplicas = isOf(revisions.update);
  const updated = [replicas, readyReplicas, updatedReplicas].every((number) => number === replicasOf(set));
  const done = isRolling(set) && updated;
  return {
    observedGeneration: set.metadata?.generation,
    replicas,
    readyReplicas: readyReplicas || undefined,
    availableReplicas: count((pod) => serves(look, pod)),
    currentReplicas: (done ? updatedReplicas : isOf(revisions.current)) || undefined,
    updatedReplicas: updatedReplicas || undefined,
    currentRevision: done ? revisions.update : revisions.current,
    updateRevision: revisions.update,
    conditions: set.status?.conditions,
  };
}
