import { jobs } from '../../api/resource.ts';
import type { Job, Pod } from '../../api/types.ts';
import { podOf } from '../pod-template.ts';
import { hasEnded, isActive, isTerminating } from '../pods.ts';
import { deletionOrder } from '../replicaset/order.ts';
import { FAILURE_COUNT, failuresBefore, failuresWith, indexVariable } from './failure-policy.ts';
import { INDEX, indexOf, isIndexed, parseIndexes } from './indexes.ts';
import { FINALIZER, hasFailed, type Status, succeededOf, waitsForEnd } from './tracking.ts';

/** The first pause after a failed pod; it doubles with each, up to ten minutes. */
const BACKOFF_MS = 10_000;
const MAX_BACKOFF_MS = 600_000;

export interface JobPlan {
  readonly create: readonly Pod[];
  readonly remove: readonly Pod[];
  /** In ms of the epoch: when pods that wait after a failure may start. */
  readonly again?: number;
}

/** Which pods of a job that goes on may start now, and which are too many. */
export function planJob(job: Job, status: Status, all: readonly Pod[], now: number): JobPlan {
  return isIndexed(job) ? planIndexed(job, status, all, now) : planPlain(job, status, all, now);
}

/** Pods that still take a place: with `podReplacementPolicy: Failed` also those that are being ended. */
const placesTaken = (job: Job, all: readonly Pod[]): Pod[] =>
  all.filter((pod) => isActive(pod) || (waitsForEnd(job) && isTerminating(pod) && !hasEnded(pod)));

function planPlain(job: Job, status: Status, all: readonly Pod[], now: number): JobPlan {
  const { parallelism = 1, completions } = job.spec ?? {};
  const active = all.filter(isActive);
  const isEnough = completions === undefined && succeededOf(status) > 0;
  const left = completions === undefined ? parallelism : completions - succeededOf(status);
  const wanted = isEnough ? Math.min(active.length, parallelism) : Math.min(parallelism, left);
  const remove = leastWanted(active, active.length - wanted, now);
  const missing = wanted - placesTaken(job, all).length;
  if (missing <= 0) return { create: [], remove };
  const again = afterFailures(all);
  if (again > now) return { create: [], remove, again };
  return { create: Array.from({ length: missing }, () => newPod(job)), remove };
}

function planIndexed(job: Job, status: Status, all: readonly Pod[], now: number): JobPlan {
  const { parallelism = 1, completions = 0 } = job.spec ?? {};
  const over = parseIndexes(`${status.completedIndexes ?? ''},${status.failedIndexes ?? ''}`);
  const active = all.filter(isActive);
  const surplus = surplusOf(active, (index) => index < completions && !over.has(index));
  const kept = active.filter((pod) => !surplus.includes(pod));
  const wanted = Math.min(parallelism, completions - over.size);
  const remove = [...surplus, ...leastWanted(kept, kept.length - wanted, now)];
  const taken = placesTaken(job, all).filter((pod) => !surplus.includes(pod));
  const indexes = new Set(taken.map(indexOf));
  const perIndex = job.spec?.backoffLimitPerIndex !== undefined;
  const byIndex = Map.groupBy(all, indexOf);
  const create: Pod[] = [];
  const waits: number[] = [];
  for (let index = 0; index < completions && create.length < wanted - taken.length; index++) {
    if (over.has(index) || indexes.has(index)) continue;
    const before = byIndex.get(index) ?? [];
    const again = afterFailures(perIndex ? before : all);
    if (again > now) waits.push(again);
    else create.push(newPod(job, index, perIndex ? failuresOf(job, before) : undefined));
  }
  return { create, remove, ...(waits.length > 0 ? { again: Math.min(...waits) } : {}) };
}

/** Pods of indexes that are not wanted, and all but the best of each index. */
function surplusOf(active: readonly Pod[], isWanted: (index: number) => boolean): Pod[] {
  return [...Map.groupBy(active, indexOf)].flatMap(([index, pods]) => {
    if (index === undefined || !isWanted(index)) return pods;
    return leastWanted(pods, pods.length - 1, Date.now());
  });
}

const leastWanted = (pods: readonly Pod[], count: number, now: number): Pod[] =>
  count > 0 ? deletionOrder(pods, () => 0, now).slice(0, count) : [];

const failuresOf = (job: Job, pods: readonly Pod[]): number =>
  Math.max(0, ...pods.map((pod) => (hasFailed(job, pod) ? failuresWith(job, pod) : failuresBefore(pod))));

/** When the next pod may start: the pause doubles with each failure since the last success. */
function afterFailures(pods: readonly Pod[]): number {
  const ends = (phase: string) => pods.filter(({ status }) => status?.phase === phase).map(endOf);
  const lastSuccess = Math.max(0, ...ends('Succeeded'));
  const failures = ends('Failed').filter((end) => end > lastSuccess);
  if (failures.length === 0) return 0;
  return Math.max(...failures) + Math.min(MAX_BACKOFF_MS, BACKOFF_MS * 2 ** (failures.length - 1));
}

function endOf({ status }: Pod): number {
  const times = (status?.containerStatuses ?? []).map(({ state }) => Date.parse(state?.terminated?.finishedAt ?? ''));
  return Math.max(0, ...times.filter(Number.isFinite));
}

function newPod(job: Job, index?: number, failures?: number): Pod {
  const pod = podOf(jobs, job, job.spec?.template);
  const { metadata } = pod;
  metadata.finalizers = [...(metadata.finalizers ?? []), FINALIZER];
  if (index === undefined || !pod.spec) return pod;
  const name = `${job.metadata?.name}-${index}`;
  metadata.generateName = `${name}-`;
  metadata.labels = { ...metadata.labels, [INDEX]: String(index) };
  metadata.annotations = { ...metadata.annotations, [INDEX]: String(index) };
  if (failures !== undefined) metadata.annotations[FAILURE_COUNT] = String(failures);
  const withIndex = <C extends NonNullable<Pod['spec']>['containers'][number]>(container: C): C => {
    const known = container.env?.some((variable) => variable.name === indexVariable.name);
    return known ? container : { ...container, env: [...(container.env ?? []), indexVariable] };
  };
  const { containers, initContainers } = pod.spec;
  return {
    metadata,
    spec: {
      ...pod.spec,
      hostname: name,
      containers: containers.map(withIndex),
      initContainers: initContainers?.map(withIndex),
    },
  };
}
