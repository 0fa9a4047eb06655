import type { PodDisruptionBudget } from '../api/types.ts';
import type { Cluster } from './cluster.ts';
import type { Rejection } from './framework.ts';
import type { NodeInfo } from './nodeinfo.ts';
import type { PodInfo } from './podinfo.ts';
import { fits } from './schedule.ts';
import { labelTest } from './selectors.ts';

export interface Victims {
  readonly node: string;
  /** The most important first. */
  readonly pods: readonly PodInfo[];
}

/** Why preemption finds nothing: of the pod as a whole, or node by node. */
export type NoVictims =
  | { readonly kind: 'ineligible'; readonly message: string }
  | { readonly kind: 'none'; readonly reasons: readonly string[] };

export type Preemption = ({ readonly kind: 'victims' } & Victims) | NoVictims;

/** Nodes that are looked at: a tenth of them, and not less than this (kube-scheduler's DefaultPreemptionArgs). */
const leastCandidates = 100;
const candidatePart = 0.1;

const notHelpful = 'Preemption is not helpful for scheduling';
const noVictims = 'No preemption victims found for incoming pod';

interface Candidate extends Victims {
  /** How many of the pods a disruption budget speaks for. */
  readonly violations: number;
}

/**
 * Which pods of lower priority have to go, on which node, so that a pod that fits nowhere fits there: the fewest
 * disruption budgets violated, then the least important pods. `cluster` is changed while it searches and is the same
 * again afterwards.
 */
export function preempt(
  pod: PodInfo,
  cluster: Cluster,
  rejections: ReadonlyMap<string, Rejection>,
  budgets: readonly PodDisruptionBudget[],
): Preemption {
  const ineligible = whyIneligible(pod, cluster, rejections);
  if (ineligible !== undefined) return { kind: 'ineligible', message: ineligible };
  const candidates: Candidate[] = [];
  const reasons: string[] = [];
  const enough = Math.max(leastCandidates, Math.floor(cluster.nodes.length * candidatePart));
  for (const [name, { unresolvable }] of rejections) {
    const node = cluster.node(name);
    const candidate =
      node && !unresolvable && candidates.length < enough ? victimsOn(node, pod, cluster, budgets) : undefined;
    if (candidate) candidates.push(candidate);
    else reasons.push(unresolvable ? notHelpful : noVictims);
  }
  const [first, ...others] = candidates;
  if (!first) return { kind: 'none', reasons };
  const best = others.reduce((chosen, other) => (compare(other, chosen) < 0 ? other : chosen), first);
  return { kind: 'victims', node: best.node, pods: best.pods };
}

function whyIneligible(pod: PodInfo, cluster: Cluster, rejections: ReadonlyMap<string, Rejection>): string | undefined {
  if (pod.pod.spec?.preemptionPolicy === 'Never') return 'not eligible due to preemptionPolicy=Never.';
  const nominated = cluster.nominatedNode(pod.uid);
  if (nominated === undefined || rejections.get(nominated)?.unresolvable) return undefined;
  for (const other of cluster.node(nominated)?.pods.values() ?? []) {
    if (other.terminating && other.priority < pod.priority)
      return 'not eligible due to terminating pod on the nominated node.';
  }
  return undefined;
}

/** The pods of a node that have to go; all others of lower priority stay, the most important ones first. */
function victimsOn(
  node: NodeInfo,
  pod: PodInfo,
  cluster: Cluster,
  budgets: readonly PodDisruptionBudget[],
): Candidate | undefined {
  const lower = [...node.pods.values()].filter(({ priority }) => priority < pod.priority).sort(byImportance);
  if (lower.length === 0) return undefined;
  for (const { uid } of lower) cluster.suspend(uid);
  try {
    if (!fits(pod, node, cluster)) return undefined;
    const { protectedPods, others } = divideByBudgets(lower, budgets);
    const hasToGo = ({ uid }: PodInfo) => {
      cluster.resume(uid);
      if (fits(pod, node, cluster)) return false;
      cluster.suspend(uid);
      return true;
    };
    const violating = protectedPods.filter(hasToGo);
    const pods = [...violating, ...others.filter(hasToGo)].sort(byImportance);
    return { node: node.name, pods, violations: violating.length };
  } finally {
    for (const { uid } of lower) cluster.resume(uid);
  }
}

/** Which of these pods could not all go without a budget being exceeded. */
function divideByBudgets(pods: readonly PodInfo[], budgets: readonly PodDisruptionBudget[]) {
  const left = budgets.map(({ metadata, spec, status }) => ({
    namespace: metadata?.namespace,
    // Unlike elsewhere, an empty selector protects nobody here.
    covers: labelTest(isEmpty(spec?.selector) ? undefined : spec?.selector),
    disrupted: status?.disruptedPods ?? {},
    allowed: status?.disruptionsAllowed ?? 0,
  }));
  const exceeds = ({ namespace, name, labels }: PodInfo): boolean => {
    const own = left.filter((each) => each.namespace === namespace && each.covers(labels) && !(name in each.disrupted));
    for (const budget of own) budget.allowed--;
    return own.some(({ allowed }) => allowed < 0);
  };
  const { protectedPods = [], others = [] } = Object.groupBy(pods, (pod) =>
    exceeds(pod) ? 'protectedPods' : 'others',
  );
  return { protectedPods, others };
}

function isEmpty(selector: { matchLabels?: object; matchExpressions?: readonly unknown[] } | undefined): boolean {
  return Object.keys(selector?.matchLabels ?? {}).length === 0 && (selector?.matchExpressions ?? []).length === 0;
}

/** Higher priority first; of equals the one that runs longer. */
function byImportance(a: PodInfo, b: PodInfo): number {
  return b.priority - a.priority || startOf(a) - startOf(b);
}

function startOf({ pod }: PodInfo): number {
  const time = pod.status?.startTime;
  return time === undefined ? Number.MAX_SAFE_INTEGER : Date.parse(time);
}

/** Negative where `a` is the better choice: kube-scheduler's criteria in their order. */
function compare(a: Candidate, b: Candidate): number {
  return (
    a.violations - b.violations ||
    highestPriority(a) - highestPriority(b) ||
    prioritySum(a) - prioritySum(b) ||
    a.pods.length - b.pods.length ||
    // The one whose most important victims started last has run for the shortest time.
    earliestStart(b) - earliestStart(a)
  );
}

function highestPriority({ pods }: Victims): number {
  return pods[0]?.priority ?? Number.MIN_SAFE_INTEGER;
}

/** Shifted to be positive, so that many pods of negative priority don't look better than few. */
function prioritySum({ pods }: Victims): number {
  return pods.reduce((sum, { priority }) => sum + priority + 2 ** 31, 0);
}

function earliestStart(victims: Victims): number {
  const highest = highestPriority(victims);
  return Math.min(...victims.pods.filter(({ priority }) => priority === highest).map(startOf));
}
