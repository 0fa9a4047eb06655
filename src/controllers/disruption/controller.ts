import { podDisruptionBudgets, pods, replicaSets } from '../../api/resource.ts';
import type { OwnerReference, Pod, PodDisruptionBudget } from '../../api/types.ts';
import { messageOf } from '../../base/errors.ts';
import { keyOf } from '../../client/cache.ts';
import type { Controller } from '../../client/controller.ts';
import type { ControllerContext } from '../context.ts';
import { matchesSelector, selectorAsGo } from '../labels.ts';
import { controllerOf } from '../owners.ts';
import { createScales } from '../scale.ts';
import { writeStatus } from '../status.ts';
import { failedStatus, needsScale, planBudget } from './plan.ts';

/** Keeps account of how many pods of each budget may be evicted. */
export function startDisruptionController(context: ControllerContext): Controller {
  const { client, informers, run } = context;
  const budgets = informers.informer(podDisruptionBudgets);
  const allPods = informers.informer(pods);
  const sets = informers.informer(replicaSets);
  const events = context.events('controllermanager');
  const scales = createScales(client);

  const controller = run({
    name: 'disruption-controller',
    informers: [budgets, allPods, sets],
    async sync(key) {
      const budget = budgets.get(key);
      if (!budget || budget.metadata?.deletionTimestamp) return;
      const selected = allPods.list(budget.metadata?.namespace).filter((pod) => selects(budget, pod));
      if (selected.length === 0) events.event(budget, 'Normal', 'NoPods', 'No matching pods found');
      const expected = await expectedPods(budget, selected).catch((error: unknown) => ({ error }));
      if (typeof expected !== 'number') {
        const why = messageOf(expected.error);
        const message = `Failed to calculate the number of expected pods: ${why}`;
        events.event(budget, 'Warning', 'CalculateExpectedPodCountFailed', message);
        await writeStatus(client, podDisruptionBudgets, budget, failedStatus(budget, why));
        throw expected.error;
      }
      const { status, recheckMs } = planBudget(budget, selected, expected, Date.now());
      await writeStatus(client, podDisruptionBudgets, budget, status);
      if (recheckMs !== undefined) controller.enqueueAfter(key, recheckMs);
    },
  });

  const tellUnmanaged = (budget: PodDisruptionBudget): void => {
    const selector = selectorAsGo(budget.spec?.selector);
    const message = `Pods selected by this PodDisruptionBudget (selector: ${selector}) were found to be unmanaged. As a result, the status of the PDB cannot be calculated correctly, which may result in undefined behavior. To account for these pods please set ".spec.minAvailable" field of the PDB to an integer value.`;
    events.event(budget, 'Warning', 'UnmanagedPods', message);
  };

  /** A number asks for the pods that are there, a share for those that their controllers want. */
  const expectedPods = async (budget: PodDisruptionBudget, selected: readonly Pod[]): Promise<number> => {
    if (!needsScale(budget)) return selected.length;
    if (selected.some((pod) => !controllerOf(pod))) tellUnmanaged(budget);
    const owners = new Map(selected.flatMap((pod) => controllerOf(pod) ?? []).map((owner) => [owner.uid, owner]));
    const tops = new Map<string, number>();
    for (const owner of owners.values()) {
      const { uid, replicas } = await scaleOf(budget.metadata?.namespace ?? '', owner);
      tops.set(uid, replicas);
    }
    return [...tops.values()].reduce((sum, replicas) => sum + replicas, 0);
  };

  /** Of a ReplicaSet that belongs to a Deployment, the Deployment's. */
  const scaleOf = async (namespace: string, owner: OwnerReference): Promise<{ uid: string; replicas: number }> => {
    const set = owner.kind === 'ReplicaSet' ? sets.get(`${namespace}/${owner.name}`) : undefined;
    const top = set && controllerOf(set);
    if (top) return scaleOf(namespace, top);
    const scale = await scales.get(namespace, owner);
    if (scale) return { uid: owner.uid, replicas: scale.spec?.replicas ?? 0 };
    throw new Error(`${owner.kind}.${owner.apiVersion} "${owner.name}" does not implement the scale subresource`);
  };

  budgets.onChange((budget) => {
    if (budget) controller.enqueue(keyOf(budget));
  });
  allPods.onChange((pod, old) => {
    for (const budget of budgets.list((pod ?? old)?.metadata?.namespace ?? '')) {
      if ((pod && selects(budget, pod)) || (old && selects(budget, old))) controller.enqueue(keyOf(budget));
    }
  });
  return controller;
}

function selects({ spec }: PodDisruptionBudget, pod: Pod): boolean {
  return spec?.selector !== undefined && matchesSelector(spec.selector, pod.metadata?.labels);
}
