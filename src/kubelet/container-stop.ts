import { setTimeout as delay } from 'node:timers/promises';
import type { Container, Pod } from '../api/types.ts';
import type { KubeletContext } from './context.ts';
import { isRuntimeNotFound } from './cri/client.ts';
import { type Hook, runPreStop } from './hooks.ts';
import { annotation } from './labels.ts';
import type { ContainerRecord } from './pod-runtime.ts';

/** After a hook that used up the grace period a container still has this time for SIGTERM, in s (the kubelet's rule). */
const MIN_GRACE_S = 2;

export interface StopRequest {
  /** `undefined` where the API server does not know the pod any more. */
  readonly pod: Pod | undefined;
  readonly record: ContainerRecord;
  /** Why, as the event says it. */
  readonly message: string;
  readonly graceSeconds: number;
  readonly podIP: string;
  /** Others are to end before it gets SIGTERM, while there is time. */
  readonly turn?: Promise<unknown>;
}

/** Ends a container gracefully: its preStop hook, SIGTERM, and SIGKILL when the grace period is over. */
export async function stopContainer(kubelet: KubeletContext, request: StopRequest): Promise<void> {
  const { pod, record, graceSeconds } = request;
  const began = Date.now();
  if (pod) kubelet.events.container(pod, { name: record.name }, 'Normal', 'Killing', request.message);
  const hook = preStopOf(record);
  if (hook && graceSeconds > 0) {
    const target = {
      cri: kubelet.cri,
      container: containerOf(pod, record),
      containerId: record.id,
      podIP: request.podIP,
    };
    const failure = await runPreStop(hook, target, graceSeconds * 1000, kubelet.stopping);
    if (failure !== undefined && pod) {
      kubelet.events.container(pod, { name: record.name }, 'Warning', 'FailedPreStopHook', 'PreStopHook failed');
    }
  }
  const leftMs = () => graceSeconds * 1000 - (Date.now() - began);
  if (request.turn && leftMs() > 0) await within(leftMs(), request.turn);
  const mayBeLate = hook || request.turn;
  const left = mayBeLate ? Math.max(MIN_GRACE_S, Math.ceil(leftMs() / 1000)) : graceSeconds;
  await endContainer(kubelet, record.id, graceSeconds === 0 ? 0 : left);
}

/** Why others did not end is not this container's business. */
async function within(ms: number, ended: Promise<unknown>): Promise<void> {
  const time = new AbortController();
  const late = delay(ms, undefined, { signal: time.signal, ref: false }).catch(() => undefined);
  await Promise.race([late, ended.catch(() => undefined)]);
  time.abort();
}

/** SIGTERM, and SIGKILL after `graceSeconds`. May be called again with less time while another call waits. */
export async function endContainer(kubelet: KubeletContext, id: string, graceSeconds: number): Promise<void> {
  try {
    await kubelet.cri.stopContainer(id, graceSeconds);
  } catch (error) {
    if (!isRuntimeNotFound(error)) throw error;
  }
}

/** The hook is kept on the container, so that it is run even for a pod that the API server has forgotten. */
function preStopOf(record: ContainerRecord): Hook | undefined {
  const text = record.status.annotations[annotation.preStop];
  return text === undefined ? undefined : (JSON.parse(text) as Hook);
}

function containerOf(pod: Pod | undefined, record: ContainerRecord): Container {
  const all = [...(pod?.spec?.containers ?? []), ...(pod?.spec?.initContainers ?? [])];
  return all.find(({ name }) => name === record.name) ?? { name: record.name };
}

/** Seconds that a pod's containers have to end by themselves. */
export function gracePeriod(pod: Pod | undefined, records: readonly ContainerRecord[]): number {
  const asked = pod?.metadata?.deletionGracePeriodSeconds ?? pod?.spec?.terminationGracePeriodSeconds;
  if (asked !== undefined) return asked;
  const kept = records.map(({ status }) => Number(status.annotations[annotation.gracePeriod] ?? Number.NaN));
  return kept.find((seconds) => Number.isFinite(seconds)) ?? 30;
}
