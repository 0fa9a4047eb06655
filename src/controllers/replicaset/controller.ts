import { pods, replicaSets } from '../../api/resource.ts';
import type { Pod, ReplicaSet } from '../../api/types.ts';
import { messageOf } from '../../base/errors.ts';
import { keyOf } from '../../client/cache.ts';
import { isNotFound } from '../../client/client.ts';
import { type Controller, runController } from '../../client/controller.ts';
import { claim } from '../adoption.ts';
import { slowStart } from '../batches.ts';
import type { ControllerContext } from '../context.ts';
import { Expectations } from '../expectations.ts';
import { matchesSelector } from '../labels.ts';
import {
  CONTROLLER_INDEX,
  controllerIndex,
  controllerOf,
  controllerReference,
  NODE_INDEX,
  nodeIndex,
} from '../owners.ts';
import { hasEnded, isActive, isTerminating, untilAvailable } from '../pods.ts';
import { deletionOrder } from './order.ts';
import { sameStatus, statusOf } from './status.ts';

/** As kube-controller-manager: one sync starts or ends no more than this. */
const BURST = 500;

/** As many pods of a template as asked for. */
export function startReplicaSetController(context: ControllerContext): Controller {
  const { client, informers, log } = context;
  const sets = informers.informer(replicaSets, { indexes: controllerIndex });
  const allPods = informers.informer(pods, {
    indexes: { ...controllerIndex, ...nodeIndex },
  });
  const expectations = new Expectations();
  const events = context.events('replicaset-controller');

  const controller = runController({
    name: 'replicaset-controller',
    log,
    informers: [sets, allPods],
    workers: 8,
    async sync(key) {
      const set = sets.get(key);
      if (!set) return expectations.forget(key);
      const fulfilled = expectations.fulfilled(key);
      const owned = await claimPods(set);
      const active = owned.filter(isActive);
      const failure = fulfilled && !set.metadata?.deletionTimestamp ? await replicate(set, key, active) : undefined;
      await reportStatus(set, owned, failure);
      // The failure is retried, but only after what there is was reported.
      if (failure) throw failure.error;
      recheck(set, key, active);
    },
  });

  const claimPods = (set: ReplicaSet): Promise<Pod[]> =>
    claim({
      client,
      resource: pods,
      ownerResource: replicaSets,
      owner: set,
      matches: (pod) => matchesSelector(set.spec?.selector ?? {}, pod.metadata?.labels),
      owned: allPods.byIndex(CONTROLLER_INDEX, set.metadata?.uid ?? ''),
      orphans: allPods
        .byIndex(CONTROLLER_INDEX, '')
        .filter((pod) => pod.metadata?.namespace === set.metadata?.namespace && !hasEnded(pod)),
    });

  const replicate = async (set: ReplicaSet, key: string, active: readonly Pod[]): Promise<Failure | undefined> => {
    const missing = (set.spec?.replicas ?? 1) - active.length;
    if (missing > 0) return createPods(set, key, Math.min(missing, BURST));
    if (missing < 0) return deletePods(set, key, active, Math.min(-missing, BURST));
    return undefined;
  };

  const createPods = async (set: ReplicaSet, key: string, count: number): Promise<Failure | undefined> => {
    expectations.expect(key, count, []);
    const { done, error } = await slowStart(count, async () => {
      try {
        const pod = await client.create(pods, newPod(set));
        events.event(set, 'Normal', 'SuccessfulCreate', `Created pod: ${pod.metadata?.name}`);
      } catch (problem) {
        events.event(set, 'Warning', 'FailedCreate', `Error creating: ${messageOf(problem)}`);
        throw problem;
      }
    });
    // What was not created will not be seen.
    expectations.created(key, count - done);
    return error === undefined ? undefined : { reason: 'FailedCreate', error };
  };

  const deletePods = async (set: ReplicaSet, key: string, active: readonly Pod[], count: number) => {
    const chosen = deletionOrder(active, siblingsOn(set), Date.now()).slice(0, count);
    expectations.expect(
      key,
      0,
      chosen.map((pod) => pod.metadata?.uid ?? ''),
    );
    const results = await Promise.allSettled(chosen.map((pod) => deletePod(set, key, pod)));
    const failed = results.find((result) => result.status === 'rejected');
    return failed && { reason: 'FailedDelete', error: failed.reason };
  };

  const deletePod = async (set: ReplicaSet, key: string, pod: Pod): Promise<void> => {
    const { name = '', namespace, uid = '' } = pod.metadata ?? {};
    try {
      await client.delete(pods, { name, namespace }, { preconditions: { uid } });
      events.event(set, 'Normal', 'SuccessfulDelete', `Deleted pod: ${name}`);
    } catch (error) {
      expectations.deleted(key, uid);
      if (isNotFound(error)) return;
      events.event(set, 'Warning', 'FailedDelete', `Error deleting: ${messageOf(error)}`);
      throw error;
    }
  };

  /** Active pods on a node that belong to any set of the same owner: a crowded node gives up its pods first. */
  const siblingsOn = (set: ReplicaSet) => {
    const owner = controllerOf(set)?.uid;
    const related = owner ? sets.byIndex(CONTROLLER_INDEX, owner) : [set];
    const uids = new Set(related.map((each) => each.metadata?.uid));
    return (node: string): number =>
      allPods.byIndex(NODE_INDEX, node).filter((pod) => isActive(pod) && uids.has(controllerOf(pod)?.uid)).length;
  };

  const reportStatus = async (set: ReplicaSet, owned: readonly Pod[], failure: Failure | undefined): Promise<void> => {
    const status = statusOf(set, owned, failure, Date.now());
    if (sameStatus(set.status, status)) return;
    await client.updateStatus(replicaSets, { ...set, status });
  };

  /** A pod that is ready for less than `minReadySeconds` becomes available without any event. */
  const recheck = (set: ReplicaSet, key: string, active: readonly Pod[]): void => {
    const seconds = set.spec?.minReadySeconds ?? 0;
    const now = Date.now();
    const waits = active.map((pod) => untilAvailable(pod, seconds, now) ?? 0).filter((ms) => ms > 0);
    if (waits.length > 0) controller.enqueueAfter(key, Math.min(...waits) + 1);
  };

  sets.onChange((set, old) => {
    const changed = set ?? old;
    if (!changed) return;
    // The next one of this name owes nothing to this one.
    if (!set) expectations.forget(keyOf(changed));
    controller.enqueue(keyOf(changed));
  });

  allPods.onChange((pod, old) => {
    const ownerKeys = new Set([ownerKey(pod), ownerKey(old)]);
    const key = ownerKey(pod ?? old);
    if (key && pod && !old) expectations.created(key);
    if (key && (!pod || isTerminating(pod))) expectations.deleted(key, (pod ?? old)?.metadata?.uid ?? '');
    for (const each of ownerKeys) if (each) controller.enqueue(each);
    if (pod && !controllerOf(pod)) enqueueMatching(pod);
  });

  const ownerKey = (pod: Pod | undefined): string | undefined => {
    const owner = pod && controllerOf(pod);
    return owner?.kind === 'ReplicaSet' ? `${pod?.metadata?.namespace}/${owner.name}` : undefined;
  };

  const enqueueMatching = (pod: Pod): void => {
    for (const set of sets.list(pod.metadata?.namespace ?? '')) {
      if (matchesSelector(set.spec?.selector ?? {}, pod.metadata?.labels)) controller.enqueue(keyOf(set));
    }
  };

  return controller;
}

export interface Failure {
  readonly reason: string;
  readonly error: unknown;
}

function newPod(set: ReplicaSet): Pod {
  const { name = '', namespace } = set.metadata ?? {};
  const template = set.spec?.template;
  return {
    metadata: {
      generateName: `${name}-`,
      namespace,
      labels: { ...template?.metadata?.labels },
      annotations: template?.metadata?.annotations,
      finalizers: template?.metadata?.finalizers,
      ownerReferences: [controllerReference(replicaSets, set)],
    },
    spec: template?.spec,
  };
}
