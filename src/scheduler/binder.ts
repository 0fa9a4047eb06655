import { pods } from '../api/resource.ts';
import { formatTime } from '../api/schema/time.ts';
import type { Binding, Pod } from '../api/types.ts';
import { messageOf } from '../base/errors.ts';
import type { Log } from '../base/log.ts';
import { type Client, isNotFound } from '../client/client.ts';
import type { PodInfo } from './podinfo.ts';

/** Writes a decision: `POST pods/NAME/binding`. Throws what the API server says. */
export async function bind(client: Client, { name, namespace, uid }: PodInfo, node: string): Promise<void> {
  const body: Binding = {
    apiVersion: 'v1',
    kind: 'Binding',
    metadata: { name, namespace, uid },
    target: { apiVersion: 'v1', kind: 'Node', name: node },
  };
  await client.createSubresource(pods, { name, namespace }, 'binding', body);
}

export type WaitReason = 'Unschedulable' | 'SchedulingGated' | 'SchedulerError';

/**
 * Sets the pod's `PodScheduled` condition to False, and the node where room is made for it, where it does not say so
 * already. Never throws.
 */
export async function reportWaiting(
  client: Client,
  log: Log,
  pod: Pod,
  report: { readonly reason: WaitReason; readonly message: string; readonly nominatedNode?: string },
): Promise<void> {
  const { name = '', namespace, generation } = pod.metadata ?? {};
  const { reason, message, nominatedNode = pod.status?.nominatedNodeName } = report;
  const old = pod.status?.conditions?.find(({ type }) => type === 'PodScheduled');
  const known = old?.status === 'False' && old.reason === reason && old.message === message;
  if (known && nominatedNode === pod.status?.nominatedNodeName) return;
  const condition = {
    type: 'PodScheduled',
    status: 'False',
    reason,
    message,
    observedGeneration: generation,
    lastProbeTime: null,
    lastTransitionTime: old?.status === 'False' ? old.lastTransitionTime : now(),
  };
  const status = { conditions: [condition], nominatedNodeName: nominatedNode };
  try {
    await client.patch(pods, { name, namespace }, 'strategic', { status }, 'status');
  } catch (error) {
    // A pod that is gone needs no condition.
    if (!isNotFound(error))
      log.warn('condition not written', { pod: `${namespace}/${name}`, reason: messageOf(error) });
  }
}

/** Room is kept for it no longer. */
export async function clearNominatedNode(client: Client, { name, namespace }: PodInfo): Promise<void> {
  await unlessGone(client.patch(pods, { name, namespace }, 'merge', { status: { nominatedNodeName: null } }, 'status'));
}

/** Ends a pod for one that matters more, and says so on it. */
export async function evictVictim(client: Client, { pod, name, namespace, uid }: PodInfo): Promise<void> {
  if (pod.metadata?.deletionTimestamp !== undefined) return;
  const condition = {
    type: 'DisruptionTarget',
    status: 'True',
    reason: 'PreemptionByScheduler',
    message: 'preempting to accommodate a higher priority pod',
    lastTransitionTime: now(),
  };
  await unlessGone(
    client.patch(pods, { name, namespace }, 'strategic', { status: { conditions: [condition] } }, 'status'),
  );
  await unlessGone(client.delete(pods, { name, namespace }, { preconditions: { uid } }));
}

async function unlessGone(request: Promise<unknown>): Promise<void> {
  try {
    await request;
  } catch (error) {
    if (!isNotFound(error)) throw error;
  }
}

function now(): string {
  return formatTime(new Date());
}
