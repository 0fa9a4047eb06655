import { milliValue } from '../../api/quantity.ts';
import type { Pod } from '../../api/types.ts';
import { hasEnded, isTerminating, podCondition } from '../pods.ts';

/** Within a tenth of the target nothing changes. */
const TOLERANCE = 0.1;

/** How far from the target a number may be before anything changes, by direction. */
export interface Tolerance {
  readonly up?: number;
  readonly down?: number;
}

/** A pod that has just begun uses more cpu than it will. */
const CPU_INITIALIZATION_MS = 300_000;
const INITIAL_READINESS_MS = 30_000;

/** What of a pod's use is compared. Amounts are in thousandths: of a core, or of a byte. */
export interface ResourceTarget {
  readonly resource: string;
  /** Only of this container. */
  readonly container?: string;
  /** Percent of what pods request, or an amount a pod. */
  readonly utilization?: number;
  readonly averageValue?: number;
}

/** Use of a resource by pods, by name, in thousandths. */
export type PodUsages = ReadonlyMap<string, number>;

export interface Proposal {
  readonly replicas: number;
  /** Percent of the requests; only for a target that is one. */
  readonly utilization?: number;
  /** Of the pods that were measured, in thousandths. */
  readonly average: number;
}

interface Sorted {
  readonly measured: readonly Pod[];
  /** Not ready, so that their use says nothing. */
  readonly unready: readonly Pod[];
  readonly missing: readonly Pod[];
}

/**
 * How many pods the target asks for (kube-controller-manager's replica calculator): as many as bring the average to it.
 * Pods whose use is not known count against a change: as doing nothing where there would be more, as doing their share
 * where there would be fewer. Throws where nothing is known.
 */
export function proposeReplicas(
  target: ResourceTarget,
  pods: readonly Pod[],
  usages: PodUsages,
  current: number,
  now: number,
  tolerance: Tolerance = {},
): Proposal {
  const { measured, unready, missing } = sort(target, pods, usages, now);
  if (measured.length === 0) throw new Error('did not receive metrics for targeted pods (pods might be unready)');
  const wanted = wantedOf(target);
  const used = measured.map((pod) => usages.get(nameOf(pod)) ?? 0);
  const sum = (list: readonly number[]) => list.reduce((total, each) => total + each, 0);
  const requested = (list: readonly Pod[]) => sum(list.map((pod) => requestOf(target, pod)));
  const total = sum(used);
  const ratioOf = (use: number, of: readonly Pod[]) =>
    target.utilization === undefined ? use / (wanted * of.length) : (use * 100) / requested(of) / wanted;
  const ratio = ratioOf(total, measured);
  const average = Math.floor(total / measured.length);
  const utilization = target.utilization === undefined ? undefined : Math.floor((total * 100) / requested(measured));
  const known: Omit<Proposal, 'replicas'> = { average, ...(utilization === undefined ? {} : { utilization }) };
  const grows = ratio > 1;
  const doubtful = grows ? [...missing, ...unready] : missing;
  if (doubtful.length === 0) {
    return { ...known, replicas: isWithin(ratio, tolerance) ? current : Math.ceil(ratio * measured.length) };
  }
  const share = (pod: Pod) =>
    target.utilization === undefined ? wanted : (requestOf(target, pod) * Math.max(100, wanted)) / 100;
  const assumed = grows ? 0 : sum(missing.map(share));
  const all = [...measured, ...doubtful];
  const careful = ratioOf(total + assumed, all);
  const turned = grows !== careful > 1;
  const replicas = Math.ceil(careful * all.length);
  const wrongWay = grows ? replicas < current : replicas > current;
  const stays = isWithin(careful, tolerance) || turned || wrongWay;
  return { ...known, replicas: stays ? current : replicas };
}

/** Of a number that belongs to no pod: `ratio` is to its target. Without pods the number alone decides. */
export function proposeByValue(ratio: number, current: number, ready: () => number, tolerance: Tolerance = {}): number {
  if (current === 0) return Math.ceil(ratio);
  return isWithin(ratio, tolerance) ? current : Math.ceil(ratio * ready());
}

/** Of a number that all pods share: as many as bring each one's share to the target. */
export function proposeByShare(value: number, target: number, present: number, tolerance: Tolerance = {}) {
  const steady = present > 0 && isWithin(value / (target * present), tolerance);
  return { replicas: steady ? present : Math.ceil(value / target), average: Math.ceil(value / Math.max(1, present)) };
}

function isWithin(ratio: number, { up = TOLERANCE, down = TOLERANCE }: Tolerance): boolean {
  return ratio <= 1 + up && ratio >= 1 - down;
}

const nameOf = ({ metadata }: Pod): string => metadata?.name ?? '';

const wantedOf = ({ utilization, averageValue }: ResourceTarget): number => utilization ?? averageValue ?? 1;

function sort(target: ResourceTarget, pods: readonly Pod[], usages: PodUsages, now: number): Sorted {
  const alive = pods.filter((pod) => !isTerminating(pod) && !hasEnded(pod));
  const isIdle = (pod: Pod) =>
    pod.status?.phase === 'Pending' || (target.resource === 'cpu' && usages.has(nameOf(pod)) && !countsFor(pod, now));
  const unready = alive.filter(isIdle);
  const others = alive.filter((pod) => !unready.includes(pod));
  return {
    measured: others.filter((pod) => usages.has(nameOf(pod))),
    unready,
    missing: others.filter((pod) => !usages.has(nameOf(pod))),
  };
}

/** Whether a pod's use of cpu is what it will be. */
function countsFor(pod: Pod, now: number): boolean {
  const ready = podCondition(pod, 'Ready');
  const started = Date.parse(pod.status?.startTime ?? '');
  if (!ready || !Number.isFinite(started)) return false;
  if (now < started + CPU_INITIALIZATION_MS) return ready.status === 'True';
  const changed = Date.parse(ready.lastTransitionTime ?? '');
  return ready.status === 'True' || changed > started + INITIAL_READINESS_MS;
}

function requestOf({ resource, container: only }: ResourceTarget, pod: Pod): number {
  const sidecars = (pod.spec?.initContainers ?? []).filter(({ restartPolicy }) => restartPolicy === 'Always');
  const containers = [...(pod.spec?.containers ?? []), ...sidecars].filter(({ name }) => !only || name === only);
  const whole = only ? undefined : pod.spec?.resources?.requests?.[resource];
  if (whole !== undefined) return milliValue(whole);
  return containers.reduce((sum, { name, resources }) => {
    const request = resources?.requests?.[resource];
    if (request === undefined) {
      throw new Error(`missing request for ${resource} in container ${name} of Pod ${pod.metadata?.name}`);
    }
    return sum + milliValue(request);
  }, 0);
}
