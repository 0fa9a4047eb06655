import type { DaemonSet, Node, Pod } from '../../api/types.ts';
import { scaled } from '../int-or-percent.ts';
import { hasEnded, isReady, isTerminating, untilAvailable } from '../pods.ts';
import { nodeOf, placementOn } from './placement.ts';

export const HASH_LABEL = 'controller-revision-hash';

export interface DaemonPlan {
  /** Nodes that want a pod. */
  readonly create: string[];
  readonly remove: Pod[];
  /** Among those that are removed: pods that ended by themselves, which a daemon must not. */
  readonly ended: Pod[];
  readonly status: NonNullable<DaemonSet['status']>;
}

interface Place {
  readonly node: string;
  readonly run: boolean;
  readonly stay: boolean;
  /** Those that did not end, oldest first; without those that are being ended. */
  readonly pods: readonly Pod[];
  readonly ended: readonly Pod[];
  readonly isEnding: boolean;
}

/** A set with what its pods are compared by. */
interface Look {
  readonly set: DaemonSet;
  /** Of the present template. */
  readonly hash: string;
  /** So many nodes may have a new pod beside the old one while the set is updated. */
  readonly surge: number;
  readonly now: number;
}

const isNew = ({ hash }: Look, pod: Pod): boolean => pod.metadata?.labels?.[HASH_LABEL] === hash;

const serves = ({ set, now }: Look, pod: Pod): boolean =>
  untilAvailable(pod, set.spec?.minReadySeconds ?? 0, now) === 0;

/**
 * What to start and what to end so that each node that should has one pod of the present template. `isHeld`: which failed
 * pods keep their places for now.
 */
export function planDaemons(
  set: DaemonSet,
  hash: string,
  nodes: readonly Node[],
  owned: readonly Pod[],
  now: number,
  isHeld: (failed: Pod) => boolean = () => false,
): DaemonPlan {
  const places = placesOf(set, nodes, owned);
  const maxSurge = set.spec?.updateStrategy?.rollingUpdate?.maxSurge ?? 0;
  const surge = scaled(maxSurge, places.filter(({ run }) => run).length, Math.ceil);
  const look: Look = { set, hash, surge, now };
  const create = places.filter(isEmpty).map(({ node }) => node);
  const ended = places.filter(({ stay, run }) => stay || run).flatMap((place) => place.ended);
  const held = new Set(ended.filter((pod) => pod.status?.phase === 'Failed' && isHeld(pod)));
  const names = new Set(nodes.map(({ metadata }) => metadata?.name ?? ''));
  const stray = owned.filter((pod) => !isTerminating(pod) && nodeOf(pod) !== '' && !names.has(nodeOf(pod)));
  const over = places.flatMap((place) => [...place.ended.filter((pod) => !held.has(pod)), ...surplusOf(look, place)]);
  const remove = [...over, ...stray];
  const steady = create.length === 0 && remove.length === 0;
  const rolling = steady && set.spec?.updateStrategy?.type !== 'OnDelete';
  const update = rolling ? rollOver(look, places) : { create: [], remove: [] };
  return {
    create: [...create, ...update.create],
    remove: [...remove, ...update.remove],
    ended: ended.filter((pod) => !held.has(pod)),
    status: statusOf(look, places),
  };
}

const isEmpty = ({ run, pods, ended, isEnding }: Place): boolean =>
  run && pods.length === 0 && ended.length === 0 && !isEnding;

function placesOf(set: DaemonSet, nodes: readonly Node[], owned: readonly Pod[]): Place[] {
  const byNode = Map.groupBy(owned, nodeOf);
  return nodes.map((each) => {
    const node = each.metadata?.name ?? '';
    const all = byNode.get(node) ?? [];
    const age = (pod: Pod) => pod.metadata?.creationTimestamp ?? '';
    const present = all.filter((pod) => !isTerminating(pod)).sort((a, b) => age(a).localeCompare(age(b)));
    const pods = present.filter((pod) => !hasEnded(pod));
    const ended = present.filter(hasEnded);
    return { node, ...placementOn(each, set), pods, ended, isEnding: present.length < all.length };
  });
}

/** All but the oldest; with a surge all but the oldest of the present template and of older ones. */
function surplusOf(look: Look, { pods, stay }: Place): Pod[] {
  if (!stay) return [...pods];
  if (look.surge === 0) return pods.slice(1);
  const fresh = pods.filter((pod) => isNew(look, pod));
  const old = pods.filter((pod) => !isNew(look, pod));
  return [...fresh.slice(1), ...old.slice(1)];
}

interface Update {
  readonly create: readonly string[];
  readonly remove: readonly Pod[];
}

function rollOver(look: Look, places: readonly Place[]): Update {
  const wanted = places.filter(({ run }) => run);
  return look.surge > 0 ? surging(look, wanted) : { create: [], remove: replacing(look, wanted, places) };
}

/** Pods of an older template that may end now: those that serve nobody, and others as far as enough keep serving. */
function replacing(look: Look, wanted: readonly Place[], places: readonly Place[]): Pod[] {
  const asked = look.set.spec?.updateStrategy?.rollingUpdate?.maxUnavailable ?? 1;
  const maxUnavailable = Math.max(1, scaled(asked, wanted.length, Math.ceil));
  const unavailable = wanted.filter(({ pods: [pod] }) => !pod || !serves(look, pod)).length;
  const old = places.flatMap(({ pods }) => pods).filter((pod) => !isNew(look, pod));
  const idle = old.filter((pod) => !serves(look, pod));
  const serving = old.filter((pod) => serves(look, pod));
  return [...idle, ...serving.slice(0, Math.max(0, maxUnavailable - unavailable))];
}

/** The next pod of a node starts beside the old one, which ends when the new one serves. */
function surging(look: Look, wanted: readonly Place[]): Update {
  const pairs = wanted.map(({ node, pods }) => ({
    node,
    fresh: pods.find((pod) => isNew(look, pod)),
    old: pods.find((pod) => !isNew(look, pod)),
  }));
  const relieved = pairs.filter(({ fresh }) => fresh && serves(look, fresh));
  const waiting = pairs.filter(({ fresh, old }) => old && fresh && !serves(look, fresh));
  const next = pairs.filter(({ fresh, old }) => old && !fresh);
  const idle = next.filter(({ old }) => old && !serves(look, old));
  const serving = next.filter(({ old }) => old && serves(look, old));
  return {
    create: [...idle, ...serving.slice(0, Math.max(0, look.surge - waiting.length))].map(({ node }) => node),
    remove: relieved.flatMap(({ old }) => old ?? []),
  };
}

function statusOf(look: Look, places: readonly Place[]): DaemonPlan['status'] {
  const { set } = look;
  const wanted = places.filter(({ run }) => run);
  const served = wanted.filter(({ pods }) => pods.some((pod) => serves(look, pod))).length;
  const updated = wanted.filter(({ pods }) => pods.some((pod) => isNew(look, pod))).length;
  return {
    observedGeneration: set.metadata?.generation,
    currentNumberScheduled: wanted.filter(({ pods }) => pods.length > 0).length,
    desiredNumberScheduled: wanted.length,
    numberMisscheduled: places.filter(({ run, pods }) => !run && pods.length > 0).length,
    numberReady: wanted.filter(({ pods }) => pods.some(isReady)).length,
    updatedNumberScheduled: updated || undefined,
    numberAvailable: served || undefined,
    numberUnavailable: wanted.length - served || undefined,
  };
}
