import type { ContainerStatus, Pod, PodStatus } from '../api/types.ts';
import { isSidecar } from './sidecar.ts';

type Condition = NonNullable<PodStatus['conditions']>[number];

export interface ConditionInput {
  readonly pod: Pod;
  readonly phase: string;
  readonly init: readonly ContainerStatus[];
  readonly main: readonly ContainerStatus[];
  readonly sandboxReady: boolean;
  /** Why what the containers have is not what they ask for. */
  readonly resize?: Verdict;
  /** Whether all containers are about to start anew; `undefined` for pods that have no such rule. */
  readonly restartingAll?: boolean | undefined;
  /** Why the kubelet ends the pod. */
  readonly extra?: Verdict;
  /** RFC 3339 */
  readonly now: string;
}

/** A condition without its times. */
export type KubeletCondition = Verdict;

interface Verdict {
  readonly type: string;
  readonly status: string;
  readonly reason?: string;
  readonly message?: string;
}

/** The conditions that are the kubelet's, each with the time of its last change, beside those of others. */
export function podConditions(input: ConditionInput): Condition[] {
  const before = input.pod.status?.conditions ?? [];
  const containersReady = readyVerdict(input);
  const own: Verdict[] = [
    { type: 'PodReadyToStartContainers', status: input.sandboxReady ? 'True' : 'False' },
    initializedVerdict(input),
    gatesVerdict(input.pod, containersReady),
    { ...containersReady, type: 'ContainersReady' },
    // Who is here was scheduled, and that holds for each generation.
    { type: 'PodScheduled', status: 'True' },
  ];
  if (input.resize) own.push(input.resize);
  if (input.restartingAll !== undefined) own.push(restartingVerdict(input.phase, input.restartingAll));
  if (input.extra) own.push(input.extra);
  const foreign = before.filter(({ type }) => !isResizing(type));
  const others = foreign.filter(({ type }) => !own.some((verdict) => verdict.type === type));
  return [...own.map((verdict) => withTimes(verdict, before, input)), ...others];
}

/** KEP-5532 */
function restartingVerdict(phase: string, isRestarting: boolean): Verdict {
  const type = 'AllContainersRestarting';
  if (phase === 'Succeeded') return { type, status: 'False', reason: 'PodCompleted' };
  if (phase === 'Failed') return { type, status: 'False', reason: 'PodFailed' };
  if (!isRestarting) return { type, status: 'False' };
  const message = 'container exited with restart policy rule';
  return { type, status: 'True', reason: 'RestartAllContainersStarted', message };
}

/** Conditions that are there only while they are true. */
export const isResizing = (type: string): boolean => type === 'PodResizePending' || type === 'PodResizeInProgress';

function withTimes(verdict: Verdict, before: readonly Condition[], input: ConditionInput): Condition {
  const old = before.find(({ type }) => type === verdict.type);
  const same = old?.status === verdict.status;
  const generation = input.pod.metadata?.generation;
  return {
    ...verdict,
    lastTransitionTime: same && old.lastTransitionTime ? old.lastTransitionTime : input.now,
    ...(generation === undefined ? {} : { observedGeneration: generation }),
  };
}

function initializedVerdict({ pod, phase, init, main }: ConditionInput): Verdict {
  const type = 'Initialized';
  if (phase === 'Succeeded') return { type, status: 'True', reason: 'PodCompleted' };
  const sidecars = new Set((pod.spec?.initContainers ?? []).filter(isSidecar).map(({ name }) => name));
  const started = main.some(({ state, lastState }) => state?.running ?? state?.terminated ?? lastState?.terminated);
  const pending = init.filter((status) => (sidecars.has(status.name) ? !status.started : !status.ready));
  if (started || pending.length === 0) return { type, status: 'True' };
  const message = `containers with incomplete status: [${names(pending)}]`;
  return { type, status: 'False', reason: 'ContainersNotInitialized', message };
}

function readyVerdict({ pod, phase, init, main }: ConditionInput): Verdict {
  const type = 'Ready';
  if (phase === 'Succeeded') return { type, status: 'False', reason: 'PodCompleted' };
  if (phase === 'Failed') return { type, status: 'False', reason: 'PodFailed' };
  const sidecars = new Set((pod.spec?.initContainers ?? []).filter(isSidecar).map(({ name }) => name));
  const counted = [...init.filter(({ name }) => sidecars.has(name)), ...main];
  const unready = counted.filter(({ ready }) => !ready);
  if (unready.length === 0) return { type, status: 'True' };
  const message = `containers with unready status: [${names(unready)}]`;
  return { type, status: 'False', reason: 'ContainersNotReady', message };
}

/** A pod is ready when its containers are and all its readiness gates are true (KEP-580). */
function gatesVerdict(pod: Pod, containers: Verdict): Verdict {
  if (containers.status === 'False') return containers;
  const isTrue = (gate: string) =>
    pod.status?.conditions?.some(({ type, status }) => type === gate && status === 'True') === true;
  const closed = (pod.spec?.readinessGates ?? []).filter(({ conditionType }) => !isTrue(conditionType));
  const first = closed[0];
  if (!first) return containers;
  const message = `corresponding condition of pod readiness gate "${first.conditionType}" does not exist.`;
  return { type: 'Ready', status: 'False', reason: 'ReadinessGatesNotReady', message };
}

const names = (statuses: readonly ContainerStatus[]): string => statuses.map(({ name }) => name).join(' ');
