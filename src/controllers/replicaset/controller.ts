import { type Resource, replicaSets, replicationControllers } from '../../api/resource.ts';
import type { Pod, ReplicaSet, ReplicationController } from '../../api/types.ts';
import type { Controller } from '../../client/controller.ts';
import type { ControllerContext } from '../context.ts';
import { createOwnedPods, type Failure } from '../owned-pods.ts';
import { CONTROLLER_INDEX, controllerIndex, controllerOf, NODE_INDEX, nodeIndex } from '../owners.ts';
import { podOf } from '../pod-template.ts';
import { hasEnded, isActive, untilNextAvailable } from '../pods.ts';
import { writeStatus } from '../status.ts';
import { deletionOrder } from './order.ts';
import { statusOf } from './status.ts';

/** As kube-controller-manager: one sync starts or ends no more than this. */
const BURST = 500;

/** What asks for a number of pods of a template. */
export type Replicated = ReplicaSet | ReplicationController;

/** As many pods of a template as asked for. */
export const startReplicaSetController = (context: ControllerContext): Controller =>
  startReplication(context, replicaSets, 'replicaset-controller', ({ spec }) => spec?.selector);

/** The same for ReplicationControllers, whose selector is made of labels only. */
export const startReplicationController = (context: ControllerContext): Controller =>
  startReplication(context, replicationControllers, 'replication-controller', ({ spec }) =>
    spec?.selector ? { matchLabels: spec.selector } : undefined,
  );

function startReplication<O extends Replicated>(
  context: ControllerContext,
  resource: Resource<O>,
  name: string,
  selectorOf: (owner: O) => NonNullable<ReplicaSet['spec']>['selector'] | undefined,
): Controller {
  const { client, informers, run } = context;
  const sets = informers.informer(resource, { indexes: controllerIndex });
  const events = context.events(name);
  const owned = createOwnedPods(context, { owners: sets, events, selectorOf, adopts: (pod) => !hasEnded(pod) });
  const allPods = informers.informer(owned.informer.resource, { indexes: nodeIndex });

  const controller = run({
    name,
    informers: [sets, allPods],
    workers: 8,
    async sync(key) {
      const set = sets.get(key);
      if (!set) return;
      const isCurrent = owned.isCurrent(key);
      const all = await owned.of(set);
      const active = all.filter(isActive);
      const failure = isCurrent && !set.metadata?.deletionTimestamp ? await replicate(set, active) : undefined;
      await writeStatus(client, resource, set, statusOf(set, all, failure, Date.now()));
      // The failure is retried, but only after what there is was reported.
      if (failure) throw failure.error;
      const wait = untilNextAvailable(active, set.spec?.minReadySeconds);
      if (wait !== undefined) controller.enqueueAfter(key, wait);
    },
  });
  owned.follow(controller);

  const replicate = async (set: O, active: readonly Pod[]): Promise<Failure | undefined> => {
    const missing = (set.spec?.replicas ?? 1) - active.length;
    if (missing === 0) return undefined;
    const count = Math.min(Math.abs(missing), BURST);
    if (missing < 0) return owned.change(set, [], deletionOrder(active, siblingsOn(set), Date.now()).slice(0, count));
    const create = Array.from({ length: count }, () => podOf(resource, set, set.spec?.template));
    return owned.change(set, create);
  };

  /** Active pods on a node that belong to any set of the same owner: a crowded node gives up its pods first. */
  const siblingsOn = (set: O) => {
    const owner = controllerOf(set)?.uid;
    const related = owner ? sets.byIndex(CONTROLLER_INDEX, owner) : [set];
    const uids = new Set(related.map((each) => each.metadata?.uid));
    return (node: string): number =>
      allPods.byIndex(NODE_INDEX, node).filter((pod) => isActive(pod) && uids.has(controllerOf(pod)?.uid)).length;
  };

  return controller;
}
