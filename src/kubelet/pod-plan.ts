import type { Container, Pod } from '../api/types.ts';
import { containerHash } from './labels.ts';
import { type ContainerRecord, latest, type PodRuntime, readySandbox } from './pod-runtime.ts';
import { containersToReset } from './restart-all.ts';
import { mayRestart, restartsWhenKilled } from './restart-policy.ts';
import { isSidecar } from './sidecar.ts';

/** What the probes know of a running container. */
export interface ProbeVerdicts {
  /** The startup probe has succeeded, or there is none. */
  started(containerId: string): boolean;
  ready(containerId: string): boolean;
  /** Which probe has given the container up. */
  failed(containerId: string): 'liveness' | 'startup' | undefined;
}

export interface KillContainer {
  readonly record: ContainerRecord;
  /** Why, as the event says it. */
  readonly message: string;
  /** The probe's own grace period, where it has one (KEP-2238). */
  readonly graceSeconds?: number;
}

/** What is to be done now to bring a pod's containers nearer to what its spec asks for. */
export type PodPlan =
  /** No container has work left: what still stands may go. */
  | { readonly kind: 'finished' }
  /** A container has ended so that all have to start anew: these are to go, in this order. */
  | { readonly kind: 'restart-all'; readonly remove: readonly ContainerRecord[] }
  /** There is no sandbox to run in. `attempt` counts the sandboxes before. */
  | { readonly kind: 'create-sandbox'; readonly attempt: number }
  | { readonly kind: 'run'; readonly kill: readonly KillContainer[]; readonly start: readonly Container[] };

/**
 * Compares a pod with what runs of it. Pure; called again after every change, so it only says what can be done now:
 * a container that waits for an init container is not in the plan.
 */
export function planPod(pod: Pod, runtime: PodRuntime, probes: ProbeVerdicts): PodPlan {
  const remove = containersToReset(pod, runtime);
  if (remove.length > 0) return { kind: 'restart-all', remove };
  if (isFinished(pod, runtime)) return { kind: 'finished' };
  const sandbox = readySandbox(runtime, pod.spec?.hostNetwork === true);
  if (!sandbox) {
    const attempts = runtime.sandboxes.map(({ metadata }) => metadata?.attempt ?? 0);
    return { kind: 'create-sandbox', attempt: runtime.sandboxes.length === 0 ? 0 : Math.max(...attempts) + 1 };
  }
  const debug = newEphemeralContainers(pod, runtime);
  const init = planInit(pod, runtime, sandbox.id, probes);
  if (!init.initialized) return { kind: 'run', kill: init.kill, start: [...debug, ...init.start] };
  const main = planMain(pod, runtime, sandbox.id, probes);
  return { kind: 'run', kill: [...init.kill, ...main.kill], start: [...debug, ...init.start, ...main.start] };
}

/** They are started once, whatever becomes of them and of the pod's other containers (KEP-277). */
function newEphemeralContainers(pod: Pod, runtime: PodRuntime): Container[] {
  const all: readonly Container[] = pod.spec?.ephemeralContainers ?? [];
  return all.filter(({ name }) => latest(runtime, name) === undefined);
}

/** Every container has ended for good, or an init container has failed for good. */
export function isFinished(pod: Pod, runtime: PodRuntime): boolean {
  if (hasFailedInit(pod, runtime)) return true;
  return (pod.spec?.containers ?? []).every((container) => {
    const record = latest(runtime, container.name);
    return record !== undefined && record.state !== 'running' && !mayRestart(pod, record);
  });
}

function hasFailedInit(pod: Pod, runtime: PodRuntime): boolean {
  return (pod.spec?.initContainers ?? []).some((container) => {
    const record = latest(runtime, container.name);
    const hasFailed = record?.state === 'exited' && record.status.exitCode !== 0;
    return hasFailed && !isSidecar(container) && !mayRestart(pod, record);
  });
}

interface Part {
  readonly kill: readonly KillContainer[];
  readonly start: readonly Container[];
}

/** Init containers run one after the other; once a main container was started they are not run again. */
function planInit(
  pod: Pod,
  runtime: PodRuntime,
  sandboxId: string,
  probes: ProbeVerdicts,
): Part & { readonly initialized: boolean } {
  const here = (name: string) => runtime.containers.find((one) => one.name === name && one.sandboxId === sandboxId);
  const initialized = (pod.spec?.containers ?? []).some(({ name }) => here(name) !== undefined);
  const kill: KillContainer[] = [];
  const start: Container[] = [];
  for (const container of pod.spec?.initContainers ?? []) {
    const record = here(container.name);
    if (isSidecar(container)) {
      const ailing = record?.state === 'running' ? reasonToKill(pod, container, record, probes) : undefined;
      if (ailing) kill.push(ailing);
      if (record?.state !== 'running' || ailing) start.push(container);
      if (initialized) continue;
      if (!record || ailing || record.state !== 'running' || !probes.started(record.id)) {
        return { kill, start, initialized: false };
      }
      continue;
    }
    if (initialized || (record?.state === 'exited' && record.status.exitCode === 0)) continue;
    if (record?.state !== 'running') start.push(container);
    return { kill, start, initialized: false };
  }
  return { kill, start, initialized: true };
}

function planMain(pod: Pod, runtime: PodRuntime, sandboxId: string, probes: ProbeVerdicts): Part {
  const kill: KillContainer[] = [];
  const start: Container[] = [];
  for (const container of pod.spec?.containers ?? []) {
    const record = latest(runtime, container.name);
    if (record?.state === 'running' && record.sandboxId === sandboxId) {
      const ailing = reasonToKill(pod, container, record, probes);
      if (!ailing) continue;
      kill.push(ailing);
      if (restartsWhenKilled(pod, container)) start.push(container);
    } else if (!record || mayRestart(pod, record)) {
      start.push(container);
    }
  }
  return { kill, start };
}

function reasonToKill(
  pod: Pod,
  container: Container,
  record: ContainerRecord,
  probes: ProbeVerdicts,
): KillContainer | undefined {
  const { name } = container;
  const end = restartsWhenKilled(pod, container) ? ', will be restarted' : '';
  if (record.hash !== '' && record.hash !== containerHash(container)) {
    return { record, message: `Container ${name} definition changed${end}` };
  }
  const probe = probes.failed(record.id);
  if (!probe) return undefined;
  const graceSeconds = container[`${probe}Probe`]?.terminationGracePeriodSeconds;
  return { record, message: `Container ${name} failed ${probe} probe${end}`, graceSeconds };
}

/** Whether a pod is on its way up: nobody needs to know each step. */
export const isStarting = ({ status }: Pod, plan: PodPlan): boolean =>
  (status?.phase ?? 'Pending') === 'Pending' &&
  (plan.kind === 'create-sandbox' || (plan.kind === 'run' && plan.kill.length === 0 && plan.start.length > 0));
