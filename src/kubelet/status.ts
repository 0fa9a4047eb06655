import type { Container, ContainerStatus, Pod, PodStatus } from '../api/types.ts';
import type { Rejection } from './admission.ts';
import { type KubeletCondition, podConditions } from './pod-conditions.ts';
import type { ProbeVerdicts } from './pod-plan.ts';
import { type ContainerRecord, latest, type PodRuntime, previous, readySandbox } from './pod-runtime.ts';
import type { PodResize, Resources } from './resize.ts';
import { qosClass } from './resources.ts';
import { containersToReset, type Removed, restartingAll } from './restart-all.ts';
import { containersOf, mayRestart, mayRestartAll, restartsAfter } from './restart-policy.ts';
import { isSidecar } from './sidecar.ts';

/** Why a container does not run: `CrashLoopBackOff` and its like. */
export interface Waiting {
  readonly reason: string;
  readonly message?: string;
}

export interface StatusInput {
  readonly pod: Pod;
  readonly runtime: PodRuntime;
  readonly probes: ProbeVerdicts;
  /** What kept containers from being started at the last attempt, by name. */
  readonly waiting: ReadonlyMap<string, Waiting>;
  /** Containers that were removed so that all start anew, by name. */
  readonly removed: ReadonlyMap<string, Removed>;
  /** Termination messages by container id. */
  readonly messages: ReadonlyMap<string, string>;
  /** What running containers have of cpu and memory. */
  readonly resize: Pick<PodResize, 'givenTo' | 'progress'>;
  /** A condition that only the end of a pod has. */
  readonly extra?: KubeletCondition | undefined;
  /** Of the node, one a family. */
  readonly hostIPs: readonly string[];
  /** RFC 3339 */
  readonly now: string;
  /** RFC 3339: when the node took the pod. */
  readonly began: string;
  /** The pod was asked to end, and nothing of it runs any more. */
  readonly terminated: boolean;
}

type ContainerState = NonNullable<ContainerStatus['state']>;

/** What the kubelet reports of a pod. Conditions that others keep (readiness gates) stay as they are. */
export function podStatus(input: StatusInput): PodStatus {
  const { pod, runtime } = input;
  const init = (pod.spec?.initContainers ?? []).map((container) => containerStatus(container, input, true));
  const main = (pod.spec?.containers ?? []).map((container) => containerStatus(container, input, false));
  const ephemeral = (pod.spec?.ephemeralContainers ?? []).map((container) => containerStatus(container, input, false));
  const phase = podPhase(pod, init, main, input.terminated);
  const hostNetwork = pod.spec?.hostNetwork === true;
  const podIPs = hostNetwork && readySandbox(runtime, true) ? input.hostIPs : runtime.podIPs;
  const known = pod.status?.podIPs?.flatMap(({ ip }) => (ip ? [ip] : [])) ?? [];
  // A pod that has ended keeps the addresses it had.
  const ips = podIPs.length > 0 || phase === 'Running' || phase === 'Pending' ? podIPs : known;
  return {
    phase,
    conditions: podConditions({
      pod,
      phase,
      init,
      main,
      now: input.now,
      sandboxReady: readySandbox(runtime, hostNetwork) !== undefined,
      resize: input.resize.progress(pod, runtime),
      restartingAll: mayRestartAll(pod) ? containersToReset(pod, runtime).length > 0 : undefined,
      extra: input.extra,
    }),
    ...(pod.metadata?.generation === undefined ? {} : { observedGeneration: pod.metadata.generation }),
    hostIP: input.hostIPs[0],
    hostIPs: input.hostIPs.map((ip) => ({ ip })),
    ...(ips.length > 0 ? { podIP: ips[0], podIPs: ips.map((ip) => ({ ip })) } : {}),
    startTime: pod.status?.startTime ?? input.began,
    qosClass: qosClass(pod),
    ...(init.length > 0 ? { initContainerStatuses: init } : {}),
    containerStatuses: main,
    // Nobody asks whether they are ready.
    ...(ephemeral.length > 0 ? { ephemeralContainerStatuses: ephemeral.map((one) => ({ ...one, ready: false })) } : {}),
  };
}

/** Of a pod that the kubelet does not take (`rejectPod`): it has no containers, and never will. */
export function rejectedStatus(pod: Pod, { reason, message }: Rejection, now: string): PodStatus {
  return {
    phase: 'Failed',
    reason,
    message: `Pod was rejected: ${message}`,
    qosClass: qosClass(pod),
    startTime: pod.status?.startTime ?? now,
    conditions: pod.status?.conditions ?? [],
    ...(pod.metadata?.generation === undefined ? {} : { observedGeneration: pod.metadata.generation }),
  };
}

function containerStatus(container: Container, input: StatusInput, isInit: boolean): ContainerStatus {
  const { pod, runtime, probes } = input;
  const record = latest(runtime, container.name);
  const reported = [...(pod.status?.containerStatuses ?? []), ...(pod.status?.initContainerStatuses ?? [])].find(
    ({ name }) => name === container.name,
  );
  const running = record?.state === 'running';
  const started = running && probes.started(record.id);
  const completed = record?.state === 'exited' && record.status.exitCode === 0;
  const ready = isInit && !isSidecar(container) ? completed : started && probes.ready(record.id);
  return {
    name: container.name,
    ...containerState(container, record, input, reported),
    ready,
    started,
    restartCount:
      record?.restartCount ?? input.removed.get(container.name)?.restartCount ?? reported?.restartCount ?? 0,
    image: record?.status.image?.image || container.image || '',
    imageID: record?.status.imageRef ?? '',
    ...(record ? { containerID: containerID(record) } : {}),
    ...resourcesOf(running ? input.resize.givenTo(record) : undefined),
  };
}

function resourcesOf(given: Resources | undefined): Pick<ContainerStatus, 'resources' | 'allocatedResources'> {
  if (!given) return {};
  return { resources: given, ...(given.requests ? { allocatedResources: given.requests } : {}) };
}

const containerID = (record: ContainerRecord): string => `containerd://${record.id}`;

function containerState(
  container: Container,
  record: ContainerRecord | undefined,
  input: StatusInput,
  reported: ContainerStatus | undefined,
): Pick<ContainerStatus, 'state' | 'lastState'> {
  const before = previous(input.runtime, container.name);
  const removed = input.removed.get(container.name);
  const told = removed?.lastState ?? reported?.lastState ?? {};
  const lastState: ContainerState = before ? terminated(before, input) : told;
  const waiting = input.waiting.get(container.name);
  if (!record) return { state: { waiting: waiting ?? (removed ? restartingAll : notYet(input)) }, lastState };
  if (record.state === 'running')
    return { state: { running: { startedAt: time(record.status.startedAt) } }, lastState };
  if (record.state === 'created') return { state: { waiting: waiting ?? notYet(input) }, lastState };
  const ended = terminated(record, input);
  if (waiting && !input.terminated && mayRestart(input.pod, record)) return { state: { waiting }, lastState: ended };
  return { state: ended, lastState };
}

function notYet({ pod, runtime }: StatusInput): Waiting {
  const pending = (pod.spec?.initContainers ?? []).some((container) => {
    const record = latest(runtime, container.name);
    return isSidecar(container)
      ? record?.state !== 'running'
      : record?.status.exitCode !== 0 || record.state !== 'exited';
  });
  return { reason: pending ? 'PodInitializing' : 'ContainerCreating' };
}

function terminated(record: ContainerRecord, input: StatusInput): ContainerState {
  const { status } = record;
  const message = input.messages.get(record.id) || status.message;
  return {
    terminated: {
      exitCode: status.exitCode,
      reason: status.reason || (status.exitCode === 0 ? 'Completed' : 'Error'),
      ...(message ? { message } : {}),
      startedAt: time(status.startedAt),
      finishedAt: time(status.finishedAt),
      containerID: containerID(record),
    },
  };
}

/** RFC 3339 in whole seconds, from CRI's nanoseconds. */
export function time(nanoseconds: number): string {
  return `${new Date(Math.floor(nanoseconds / 1e6)).toISOString().slice(0, 19)}Z`;
}

export const timeNow = (): string => time(Date.now() * 1e6);

/** https://kubernetes.io/docs/concepts/workloads/pods/pod-lifecycle/#pod-phase */
function podPhase(
  pod: Pod,
  init: readonly ContainerStatus[],
  main: readonly ContainerStatus[],
  ended: boolean,
): string {
  const sidecars = new Set((pod.spec?.initContainers ?? []).filter(isSidecar).map(({ name }) => name));
  const regular = init.filter(({ name }) => !sidecars.has(name));
  const exit = ({ state }: ContainerStatus) => state?.terminated?.exitCode;
  if (ended) return [...regular, ...main].every((status) => exit(status) === 0) ? 'Succeeded' : 'Failed';
  const everStarted = main.some(({ state, lastState }) => state?.running || state?.terminated || lastState?.terminated);
  if (regular.some((status) => (exit(status) ?? 0) !== 0 && !startsAgain(pod, status))) return 'Failed';
  if (!everStarted && init.length > 0 && regular.some((status) => exit(status) !== 0)) return 'Pending';
  const waiting = main.filter(({ state, lastState }) => state?.waiting && !lastState?.terminated);
  if (waiting.length > 0) return 'Pending';
  if (main.some(({ state }) => state?.running)) return 'Running';
  const stopped = main.filter(({ state, lastState }) => state?.terminated ?? lastState?.terminated);
  if (stopped.length === 0) return 'Pending';
  if (stopped.some((status) => startsAgain(pod, status))) return 'Running';
  return main.every((status) => exit(status) === 0) ? 'Succeeded' : 'Failed';
}

/** Whether a container that has ended, as its status tells, is to be started again. */
function startsAgain(pod: Pod, { name, state, lastState }: ContainerStatus): boolean {
  const end = state?.terminated ?? lastState?.terminated;
  if (!end) return false;
  const container = containersOf(pod).find((one) => one.name === name) ?? { name };
  return end.reason === restartingAll.reason || restartsAfter(pod, container, end.exitCode);
}
