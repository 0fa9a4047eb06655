import { nodes, pods } from '../api/resource.ts';
import type { Node, Pod } from '../api/types.ts';
import { isNotFound } from '../client/client.ts';
import type { Controller } from '../client/controller.ts';
import type { ControllerContext } from './context.ts';
import { NODE_INDEX, nodeIndex } from './owners.ts';
import { hasEnded, isTerminating } from './pods.ts';
import { timestamp } from './time.ts';

const OUT_OF_SERVICE = 'node.kubernetes.io/out-of-service';
/** The one key that stands for no node. */
const ENDED = '';

/** Removes pods of nodes that are gone, which no kubelet ends, and the oldest of too many pods that ended. */
export function startPodGC(context: ControllerContext): Controller {
  const { client, informers, run, terminatedPodThreshold = 12_500, orphanedPodGracePeriodMs = 10_000 } = context;
  const allNodes = informers.informer(nodes);
  const allPods = informers.informer(pods, { indexes: nodeIndex });
  let ended = 0;

  const controller = run({
    name: 'pod-garbage-collector',
    informers: [allNodes, allPods],
    workers: 1,
    sync: (key) => (key === ENDED ? removeEnded() : removeOrphans(key)),
  });

  const removeEnded = async (): Promise<void> => {
    const all = allPods.list().filter(hasEnded);
    const surplus = all.length - terminatedPodThreshold;
    if (surplus <= 0) return;
    const oldest = all.toSorted((a, b) => age(a).localeCompare(age(b))).slice(0, surplus);
    for (const pod of oldest) await remove(pod);
  };

  const removeOrphans = async (node: string): Promise<void> => {
    const present = allNodes.get(node);
    if (present) return removeLost(present);
    const orphans = allPods.byIndex(NODE_INDEX, node);
    if (orphans.length === 0 || (await nodeExists(node))) return;
    await Promise.all(orphans.map((pod) => removeOrphan(pod, 'PodGC: node no longer exists')));
  };

  /** Somebody says that the node will not come back as it was: nobody ends what ran there (KEP-2268). */
  const removeLost = async (node: Node): Promise<void> => {
    if (!isOutOfService(node)) return;
    const lost = allPods.byIndex(NODE_INDEX, node.metadata?.name ?? '').filter(isTerminating);
    await Promise.all(lost.map((pod) => removeOrphan(pod, undefined)));
  };

  /** The copy may be old. */
  const nodeExists = async (name: string): Promise<boolean> => {
    try {
      await client.get(nodes, { name });
      return true;
    } catch (error) {
      if (isNotFound(error)) return false;
      throw error;
    }
  };

  const removeOrphan = async (pod: Pod, message: string | undefined): Promise<void> => {
    const { name = '', namespace, uid } = pod.metadata ?? {};
    const condition = {
      type: 'DisruptionTarget',
      status: 'True',
      reason: 'DeletionByPodGC',
      message,
      lastTransitionTime: timestamp(),
    };
    const status = {
      ...(message === undefined ? {} : { conditions: [condition] }),
      ...(hasEnded(pod) ? {} : { phase: 'Failed' }),
    };
    try {
      await client.patch(pods, { name, namespace }, 'strategic', { metadata: { uid }, status }, 'status');
    } catch (error) {
      if (!isNotFound(error)) throw error;
    }
    await remove(pod);
  };

  const remove = async (pod: Pod): Promise<void> => {
    const { name = '', namespace, uid } = pod.metadata ?? {};
    try {
      await client.delete(pods, { name, namespace }, { gracePeriodSeconds: 0, preconditions: { uid } });
    } catch (error) {
      if (!isNotFound(error)) throw error;
    }
  };

  allPods.onChange((pod, old) => {
    ended += Number(pod !== undefined && hasEnded(pod)) - Number(old !== undefined && hasEnded(old));
    if (ended > terminatedPodThreshold) controller.enqueue(ENDED);
    const node = pod?.spec?.nodeName;
    const present = allNodes.get(node ?? '');
    if (node && node !== old?.spec?.nodeName && !present) controller.enqueueAfter(node, orphanedPodGracePeriodMs);
    if (node && pod && isTerminating(pod) && present && isOutOfService(present)) controller.enqueue(node);
  });
  allNodes.onChange((node, old) => {
    if (node && isOutOfService(node)) controller.enqueue(node.metadata?.name ?? '');
    if (!node) controller.enqueueAfter(old?.metadata?.name ?? '', orphanedPodGracePeriodMs);
  });
  return controller;
}

const age = (pod: Pod): string => pod.metadata?.creationTimestamp ?? '';

function isOutOfService({ spec, status }: Node): boolean {
  const isReady = status?.conditions?.some(({ type, status: value }) => type === 'Ready' && value === 'True');
  return !isReady && spec?.taints?.some(({ key }) => key === OUT_OF_SERVICE) === true;
}
