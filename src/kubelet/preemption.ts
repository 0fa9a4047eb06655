import type { Pod } from '../api/types.ts';
import { requestOf, type Shortage } from './admission.ts';
import { isCritical } from './critical.ts';
import type { Eviction } from './pod-end.ts';
import { type QosClass, qosClass } from './resources.ts';

/** How a pod ends that made room. */
export const PREEMPTION: Eviction = {
  reason: 'Preempting',
  message: 'Preempted in order to admit critical pod',
  disruption: 'Pod was preempted by Kubelet to accommodate a critical pod.',
};

/** What is still to be freed. */
interface Need {
  readonly resource: string;
  readonly amount: number;
}

/**
 * The pods that go so that a critical one fits: as few as can be of the best class, then of the next one. Throws, in the
 * kubelet's words, where all that may go do not free enough.
 */
export function choosePreempted(pod: Pod, others: readonly Pod[], shortages: readonly Shortage[]): readonly Pod[] {
  const needs = shortages.map(({ resource, requested, used, capacity }) => ({
    resource,
    amount: requested + used - capacity,
  }));
  const mayGo = others.filter((other) => isPreemptable(pod, other));
  const ofClass = (name: QosClass) => mayGo.filter((other) => qosClass(other) === name);
  const bestEffort = ofClass('BestEffort');
  const burstable = ofClass('Burstable');
  // A better class goes only for what all lesser ones together cannot free.
  const best = fewest(ofClass('Guaranteed'), without(needs, [...burstable, ...bestEffort]));
  const middle = fewest(burstable, without(needs, [...best, ...bestEffort]));
  return [...fewest(bestEffort, without(needs, [...best, ...middle])), ...middle, ...best];
}

function isPreemptable(pod: Pod, other: Pod): boolean {
  if (!isCritical(other)) return true;
  return (
    pod.spec?.priority !== undefined && other.spec?.priority !== undefined && pod.spec.priority > other.spec.priority
  );
}

/** One after another the pod that leaves the least to be freed, of equal ones the one that asks for least. */
function fewest(pods: readonly Pod[], needs: readonly Need[]): Pod[] {
  if (needs.length === 0) return [];
  const [best] = pods.toSorted((a, b) => left(needs, a) - left(needs, b) || compareRequests(a, b));
  if (!best) {
    const lacking = needs.map(({ resource, amount }) => `(res: ${resource}, q: ${amount}), `).join('');
    throw new Error(`no set of running pods found to reclaim resources: [${lacking}]`);
  }
  const rest = pods.filter((pod) => pod !== best);
  return [best, ...fewest(rest, without(needs, [best]))];
}

function without(needs: readonly Need[], pods: readonly Pod[]): Need[] {
  return needs
    .map(({ resource, amount }) => ({
      resource,
      amount: pods.reduce((sum, pod) => sum - requestOf(pod, resource), amount),
    }))
    .filter(({ amount }) => amount > 0);
}

/** Each need weighs the same, whatever its unit. */
function left(needs: readonly Need[], pod: Pod): number {
  const shares = needs.map(({ resource, amount }) => Math.max(0, amount - requestOf(pod, resource)) / amount);
  return shares.reduce((sum, share) => sum + share ** 2, 0);
}

const compareRequests = (a: Pod, b: Pod): number =>
  requestOf(a, 'memory') - requestOf(b, 'memory') || requestOf(a, 'cpu') - requestOf(b, 'cpu');
