import { pods } from '../api/resource.ts';
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

/** Sets the pod's `PodScheduled` condition to False, where it does not say so already. Never throws. */
export async function reportWaiting(
  client: Client,
  log: Log,
  pod: Pod,
  reason: WaitReason,
  message: string,
): Promise<void> {
  const { name = '', namespace, generation } = pod.metadata ?? {};
  const old = pod.status?.conditions?.find(({ type }) => type === 'PodScheduled');
  if (old?.status === 'False' && old.reason === reason && old.message === message) return;
  const now = `${new Date().toISOString().slice(0, 19)}Z`;
  const condition = {
    type: 'PodScheduled',
    status: 'False',
    reason,
    message,
    observedGeneration: generation,
    lastProbeTime: null,
    lastTransitionTime: old?.status === 'False' ? old.lastTransitionTime : now,
  };
  try {
    await client.patch(pods, { name, namespace }, 'strategic', { status: { conditions: [condition] } }, 'status');
  } catch (error) {
    // A pod that is gone needs no condition.
    if (!isNotFound(error))
      log.warn('condition not written', { pod: `${namespace}/${name}`, reason: messageOf(error) });
  }
}
