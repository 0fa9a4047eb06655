import type { DaemonSet, Node, Pod } from '../../api/types.ts';
import { scaled } from '../int-or-percent.ts';
import { hasEnded, isReady, isTerminating, untilAvailable } from '../pods.ts';
import { templateHash } from '../template.ts';
import { nodeOf, placementOn } from './placement.ts';

export const HASH_LABEL = 'controller-revision-hash';

export interface DaemonPlan {
  /** Nodes that want a pod. */
  readonly create: string[];
  readonly remove: Pod[];
  /** Among those that are removed: pods that ended by themselves, which a daemon must not. */
  readonly failed: Pod[];
  readonly status: NonNullable<DaemonSet['status']>;
}

interface Place {
  readonly node: string;
  readonly run: boolean;
  readonly stay: boolean;
  /** Oldest first; without those that are ending. */
  readonly pods: readonly Pod[];
  readonly isEnding: boolean;
}

/** What to start and what to end so that each node that should has one pod of the present template. */
export function planDaemons(set: DaemonSet, nodes: readonly Node[], owned: readonly Pod[], now: number): DaemonPlan {
  const places = placesOf(set, nodes, owned);
  const create: string[] = [];
  const failed: Pod[] = [];
  const remove: Pod[] = [];
  for (const { node, run, stay, pods, isEnding } of places) {
    const ended = pods.filter(hasEnded);
    const alive = pods.filter((pod) => !hasEnded(pod));
    if (stay || run) failed.push(...ended);
    remove.push(...ended, ...alive.slice(stay ? 1 : 0));
    if (run && pods.length === 0 && !isEnding) create.push(node);
  }
  const names = new Set(nodes.map(({ metadata }) => metadata?.name ?? ''));
  remove.push(...owned.filter((pod) => !isTerminating(pod) && nodeOf(pod) !== '' && !names.has(nodeOf(pod))));
  const steady = create.length === 0 && remove.length === 0;
  if (steady) remove.push(...outdated(set, places, now));
  return { create, remove, failed, status: statusOf(set, places, now) };
}

function placesOf(set: DaemonSet, nodes: readonly Node[], owned: readonly Pod[]): Place[] {
  const byNode = Map.groupBy(owned, nodeOf);
  return nodes.map((each) => {
    const node = each.metadata?.name ?? '';
    const all = byNode.get(node) ?? [];
    const age = (pod: Pod) => pod.metadata?.creationTimestamp ?? '';
    const pods = all.filter((pod) => !isTerminating(pod)).sort((a, b) => age(a).localeCompare(age(b)));
    return { node, ...placementOn(each, set), pods, isEnding: pods.length < all.length };
  });
}

export const revisionOf = (set: DaemonSet): string =>
  templateHash(set.spec?.template ?? {}, set.status?.collisionCount);

/** Pods of an older template that may end now: those that serve nobody, and others as far as enough keep serving. */
function outdated(set: DaemonSet, places: readonly Place[], now: number): Pod[] {
  if (set.spec?.updateStrategy?.type === 'OnDelete') return [];
  const wanted = places.filter(({ run }) => run);
  const revision = revisionOf(set);
  const maxUnavailable = scaled(set.spec?.updateStrategy?.rollingUpdate?.maxUnavailable ?? 1, wanted.length, Math.ceil);
  const serves = (pod: Pod | undefined) => pod && untilAvailable(pod, set.spec?.minReadySeconds ?? 0, now) === 0;
  const unavailable = wanted.filter(({ pods: [pod] }) => !serves(pod)).length;
  const old = places.flatMap(({ pods }) => pods).filter((pod) => pod.metadata?.labels?.[HASH_LABEL] !== revision);
  const idle = old.filter((pod) => !serves(pod));
  const serving = old.filter((pod) => serves(pod));
  return [...idle, ...serving.slice(0, Math.max(0, Math.max(1, maxUnavailable) - unavailable))];
}

function statusOf(set: DaemonSet, places: readonly Place[], now: number): DaemonPlan['status'] {
  const revision = revisionOf(set);
  const wanted = places.filter(({ run }) => run);
  const first = wanted.flatMap(({ pods: [pod] }) => pod ?? []);
  const available = first.filter((pod) => untilAvailable(pod, set.spec?.minReadySeconds ?? 0, now) === 0).length;
  return {
    observedGeneration: set.metadata?.generation,
    currentNumberScheduled: first.length,
    desiredNumberScheduled: wanted.length,
    numberMisscheduled: places.filter(({ run, pods }) => !run && pods.length > 0).length,
    numberReady: first.filter(isReady).length,
    updatedNumberScheduled: first.filter((pod) => pod.metadata?.labels?.[HASH_LABEL] === revision).length || undefined,
    numberAvailable: available || undefined,
    numberUnavailable: wanted.length - available || undefined,
    collisionCount: set.status?.collisionCount,
  };
}
