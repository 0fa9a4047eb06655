import type { ContainerStatus, Pod } from '../../types.ts';
import { humanDuration } from '../duration.ts';

/** What `kubectl get pods` says of a pod's containers. */
export interface PodSummary {
  readonly ready: string;
  readonly status: string;
  readonly restarts: string;
}

interface Progress {
  readonly reason: string;
  readonly initializing: boolean;
  readonly ready: number;
  readonly restarts: Restarts;
}

/** How often, and when last (ms since 1970; 0: never). */
interface Restarts {
  readonly count: number;
  readonly last: number;
}

const never: Restarts = { count: 0, last: 0 };

/** Reads a pod's state as Kubernetes does (pkg/printers/internalversion, `printPod`). `now` in ms since 1970. */
export function summarizePod(pod: Pod, now: number): PodSummary {
  const sidecars = sidecarsOf(pod);
  const init = initProgress(pod, sidecars);
  const main = init.initializing && !hasCondition(pod, 'Initialized') ? undefined : mainProgress(pod, init.reason);
  const restarts = main ? add(restartsOf(statusesOf(pod, sidecars)), main.restarts) : init.restarts;
  const total = (pod.spec?.containers ?? []).length + sidecars.size;
  return {
    ready: `${init.ready + (main?.ready ?? 0)}/${total}`,
    status: endOf(pod) ?? main?.reason ?? init.reason,
    restarts: formatRestarts(restarts, now),
  };
}

/** Init containers that stay: they count as containers. */
function sidecarsOf(pod: Pod): ReadonlySet<string> {
  const staying = (pod.spec?.initContainers ?? []).filter((container) => container.restartPolicy === 'Always');
  return new Set(staying.map((container) => container.name));
}

function statusesOf(pod: Pod, names: ReadonlySet<string>): ContainerStatus[] {
  return (pod.status?.initContainerStatuses ?? []).filter((status) => names.has(status.name));
}

function phaseReason(pod: Pod): string {
  const gated = pod.status?.conditions?.some((one) => one.type === 'PodScheduled' && one.reason === 'SchedulingGated');
  if (gated) return 'SchedulingGated';
  return pod.status?.reason || pod.status?.phase || '';
}

/** Goes through the init containers up to the first that is not done. */
function initProgress(pod: Pod, sidecars: ReadonlySet<string>): Progress {
  const statuses = pod.status?.initContainerStatuses ?? [];
  let ready = 0;
  for (const [i, status] of statuses.entries()) {
    const { terminated } = status.state ?? {};
    if (terminated?.exitCode === 0) continue;
    if (sidecars.has(status.name) && status.started) {
      if (status.ready) ready++;
      continue;
    }
    const reason = `Init:${initReason(status) ?? `${i}/${(pod.spec?.initContainers ?? []).length}`}`;
    return { reason, initializing: true, ready, restarts: restartsOf(statuses.slice(0, i + 1)) };
  }
  return { reason: phaseReason(pod), initializing: false, ready, restarts: restartsOf(statuses) };
}

function initReason({ state }: ContainerStatus): string | undefined {
  if (state?.terminated) return terminatedReason(state.terminated);
  const waiting = state?.waiting?.reason;
  return waiting && waiting !== 'PodInitializing' ? waiting : undefined;
}

/** The first container that has something to say gives the reason. */
function mainProgress(pod: Pod, before: string): Progress {
  const statuses = pod.status?.containerStatuses ?? [];
  let reason = before;
  let ready = 0;
  for (const { state, ready: isReady } of statuses.toReversed()) {
    if (state?.waiting?.reason) reason = state.waiting.reason;
    else if (state?.terminated) reason = terminatedReason(state.terminated);
    else if (isReady && state?.running) ready++;
  }
  if (reason === 'Completed' && ready > 0) reason = hasCondition(pod, 'Ready') ? 'Running' : 'NotReady';
  return { reason, initializing: false, ready, restarts: restartsOf(statuses) };
}

type Terminated = NonNullable<NonNullable<ContainerStatus['state']>['terminated']>;

function terminatedReason({ reason, signal, exitCode }: Terminated): string {
  if (reason) return reason;
  return signal ? `Signal:${signal}` : `ExitCode:${exitCode}`;
}

/** A pod that is being deleted says so, unless it has ended already. */
function endOf(pod: Pod): string | undefined {
  if (!pod.metadata?.deletionTimestamp) return undefined;
  if (pod.status?.reason === 'NodeLost') return 'Unknown';
  return hasEnded(pod) ? undefined : 'Terminating';
}

/** All containers have ended and none will start again. */
export function hasEnded(pod: Pod): boolean {
  return pod.status?.phase === 'Succeeded' || pod.status?.phase === 'Failed';
}

function hasCondition(pod: Pod, type: string): boolean {
  return pod.status?.conditions?.some((one) => one.type === type && one.status === 'True') ?? false;
}

function restartsOf(statuses: readonly ContainerStatus[]): Restarts {
  return statuses.reduce<Restarts>((sum, status) => {
    const finished = status.lastState?.terminated?.finishedAt;
    return add(sum, { count: status.restartCount ?? 0, last: finished ? Date.parse(finished) : 0 });
  }, never);
}

function add(a: Restarts, b: Restarts): Restarts {
  return { count: a.count + b.count, last: Math.max(a.last, b.last) };
}

function formatRestarts({ count, last }: Restarts, now: number): string {
  return count > 0 && last > 0 ? `${count} (${humanDuration(now - last)} ago)` : String(count);
}

/** `1/2`: readiness gates that are open, of all. */
export function readinessGates(pod: Pod): string {
  const gates = pod.spec?.readinessGates ?? [];
  if (gates.length === 0) return '<none>';
  return `${gates.filter((gate) => hasCondition(pod, gate.conditionType)).length}/${gates.length}`;
}
