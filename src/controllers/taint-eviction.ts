import { nodes, pods } from '../api/resource.ts';
import type { Pod, Taint } from '../api/types.ts';
import { keyOf } from '../client/cache.ts';
import { isNotFound } from '../client/client.ts';
import type { Controller } from '../client/controller.ts';
import type { ControllerContext } from './context.ts';
import { NODE_INDEX, nodeIndex } from './owners.ts';
import { isTerminating } from './pods.ts';
import { timestamp } from './time.ts';
import { tolerates } from './tolerations.ts';

/** Deletes pods that do not tolerate a `NoExecute` taint of their node, or tolerated it long enough. */
export function startTaintEviction({ client, informers, run, events: recorder }: ControllerContext): Controller {
  const allNodes = informers.informer(nodes);
  const allPods = informers.informer(pods, { indexes: nodeIndex });
  const events = recorder('taint-eviction-controller');
  /** Since when taints are there, by a clock that nobody sets: who sets the other one must not drive pods away. */
  const seen = new Map<string, number>();
  /** Pods that have to leave at some time. */
  const leaving = new Set<string>();

  const controller = run({
    name: 'taint-eviction-controller',
    informers: [allNodes, allPods],
    async sync(key) {
      const pod = allPods.get(key);
      const node = pod?.spec?.nodeName && allNodes.get(pod.spec.nodeName);
      if (!pod || !node || isTerminating(pod)) {
        leaving.delete(key);
        return;
      }
      const since = (taint: Taint) => sinceOf(node.metadata?.uid ?? '', taint);
      const at = evictionTime(pod, (node.spec?.taints ?? []).filter(isNoExecute), since);
      if (at === undefined) return tellStaying(pod, key);
      const wait = at - performance.now();
      if (wait <= 0) return evict(pod, key);
      leaving.add(key);
      controller.enqueueAfter(key, wait);
    },
  });

  const sinceOf = (node: string, taint: Taint): number => {
    const id = `${node} ${taint.key}`;
    const age = taint.timeAdded ? Math.max(0, Date.now() - Date.parse(taint.timeAdded)) : 0;
    const first = seen.get(id) ?? performance.now() - age;
    seen.set(id, first);
    return first;
  };

  const tellStaying = (pod: Pod, key: string): void => {
    if (leaving.delete(key)) events.event(pod, 'Normal', 'TaintManagerEviction', `Cancelling deletion of Pod ${key}`);
  };

  const evict = async (pod: Pod, key: string): Promise<void> => {
    const { name = '', namespace, uid } = pod.metadata ?? {};
    const condition = {
      type: 'DisruptionTarget',
      status: 'True',
      reason: 'DeletionByTaintManager',
      message: 'Taint manager: deleting due to NoExecute taint',
      lastTransitionTime: timestamp(),
    };
    events.event(pod, 'Normal', 'TaintManagerEviction', `Marking for deletion Pod ${key}`);
    try {
      const patch = { metadata: { uid }, status: { conditions: [condition] } };
      await client.patch(pods, { name, namespace }, 'strategic', patch, 'status');
      await client.delete(pods, { name, namespace }, { preconditions: { uid } });
    } catch (error) {
      if (!isNotFound(error)) throw error;
    }
  };

  allPods.onChange((pod) => {
    if (pod?.spec?.nodeName) controller.enqueue(keyOf(pod));
  });
  allNodes.onChange((node, old) => {
    const taints = (node?.spec?.taints ?? []).filter(isNoExecute);
    for (const taint of old?.spec?.taints ?? []) {
      if (!taints.some((each) => each.key === taint.key && each.timeAdded === taint.timeAdded))
        seen.delete(`${old?.metadata?.uid} ${taint.key}`);
    }
    if (taints.length === 0 && !old?.spec?.taints?.some(isNoExecute)) return;
    for (const pod of allPods.byIndex(NODE_INDEX, node?.metadata?.name ?? '')) controller.enqueue(keyOf(pod));
  });
  return controller;
}

const isNoExecute = (taint: Taint): boolean => taint.effect === 'NoExecute';

/** When a pod has to leave, by the clock of `since`; undefined where it may stay. Exported for its test. */
export function evictionTime(pod: Pod, taints: readonly Taint[], since: (taint: Taint) => number): number | undefined {
  const times = taints.map((taint) => {
    const matching = (pod.spec?.tolerations ?? []).filter((toleration) => tolerates(toleration, taint));
    if (matching.length === 0) return since(taint);
    const seconds = matching.flatMap((toleration) => toleration.tolerationSeconds ?? []);
    return seconds.length === 0 ? Number.POSITIVE_INFINITY : since(taint) + Math.max(0, Math.min(...seconds)) * 1000;
  });
  const first = Math.min(...times);
  return Number.isFinite(first) ? first : undefined;
}
