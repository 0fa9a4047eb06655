import { deployments, pods, replicaSets } from '../../api/resource.ts';
import type { Deployment, KubeObject, Pod, ReplicaSet } from '../../api/types.ts';
import { keyOf } from '../../client/cache.ts';
import type { Controller } from '../../client/controller.ts';
import { claim } from '../adoption.ts';
import type { ControllerContext } from '../context.ts';
import { isEmptySelector, matchesSelector } from '../labels.ts';
import { CONTROLLER_INDEX, controllerIndex, controllerOf } from '../owners.ts';
import { hasEnded } from '../pods.ts';
import { withoutZeros } from '../status.ts';
import { isRollingUpdate } from './numbers.ts';
import { isScaling, recreate, rescale, rollOver } from './rollout.ts';
import { allSets, createSets, type Rollout, rolloutOf } from './sets.ts';
import {
  conditionOf,
  countStatus,
  isComplete,
  progressDeadline,
  reasons,
  rolloutStatus,
  type Status,
  sameStatus,
  untilTimeout,
} from './status.ts';

const omittedZeros = [
  'replicas',
  'updatedReplicas',
  'readyReplicas',
  'availableReplicas',
  'unavailableReplicas',
] as const;

/** Moves Deployments from one template to the next over ReplicaSets, as kube-controller-manager does. */
export function startDeploymentController(context: ControllerContext): Controller {
  const { client, informers, run } = context;
  const allDeployments = informers.informer(deployments);
  const replicas = informers.informer(replicaSets, { indexes: controllerIndex });
  const allPods = informers.informer(pods, { indexes: controllerIndex });
  const events = context.events('deployment-controller');
  const sets = createSets(client, events);

  const controller = run({
    name: 'deployment-controller',
    informers: [allDeployments, replicas, allPods],
    workers: 5,
    async sync(key) {
      const deployment = allDeployments.get(key);
      if (!deployment) return;
      if (isEmptySelector(deployment.spec?.selector ?? {})) {
        const message = 'This deployment is selecting all pods. A non-empty selector is required.';
        events.event(deployment, 'Warning', 'SelectingAll', message);
        return;
      }
      const rollout = rolloutOf(deployment, await claimSets(deployment));
      const status = await step(rollout);
      await report(rollout.deployment, status);
      const ms = untilTimeout(rollout.deployment, conditionOf(status, 'Progressing'));
      if (ms !== undefined) controller.enqueueAfter(key, Math.max(ms, 0) + 1_000);
    },
  });

  /** One step towards what is asked for; returns the status after it. */
  const step = async (rollout: Rollout): Promise<Status> => {
    if (rollout.deployment.metadata?.deletionTimestamp) return counted(rollout);
    notePause(rollout);
    if (rollout.deployment.spec?.paused || isScaling(rollout)) {
      await sets.syncRevision(rollout, false);
      await rescale(rollout, sets);
      if (rollout.deployment.spec?.paused) await sets.cleanUp(rollout);
      return counted(rollout);
    }
    if (isRollingUpdate(rollout.deployment)) await rollOver(rollout, sets);
    else await recreate(rollout, sets, (set) => allPods.byIndex(CONTROLLER_INDEX, set.metadata?.uid ?? ''));
    const status = rolloutStatus(rollout.deployment, allSets(rollout), rollout.newSet, rollout.conditions);
    if (isComplete(rollout.deployment, status)) await sets.cleanUp(rollout);
    return status;
  };

  const counted = ({ deployment, conditions, newSet, ...rest }: Rollout): Status =>
    countStatus(deployment, allSets({ deployment, conditions, newSet, ...rest }), newSet, conditions);

  /** A rollout that waits for a person must not run into its deadline. */
  const notePause = (rollout: Rollout): void => {
    const { deployment } = rollout;
    const progress = conditionOf(deployment.status, 'Progressing');
    if (progressDeadline(deployment) === undefined || progress?.reason === reasons.timedOut) return;
    const wasPaused = progress?.reason === reasons.paused;
    const [type, status] = ['Progressing', 'Unknown'];
    if (deployment.spec?.paused && !wasPaused) {
      sets.note(rollout, { type, status, reason: reasons.paused, message: 'Deployment is paused' });
    } else if (!deployment.spec?.paused && wasPaused) {
      sets.note(rollout, { type, status, reason: reasons.resumed, message: 'Deployment is resumed' });
    }
  };

  const report = async (deployment: Deployment, status: Status): Promise<void> => {
    if (sameStatus(deployment.status, status)) return;
    await client.updateStatus(deployments, { ...deployment, status: withoutZeros(status, ...omittedZeros) });
  };

  const claimSets = (deployment: Deployment): Promise<ReplicaSet[]> =>
    claim({
      client,
      resource: replicaSets,
      ownerResource: deployments,
      owner: deployment,
      matches: (set) => matchesSelector(deployment.spec?.selector ?? {}, set.metadata?.labels),
      owned: replicas.byIndex(CONTROLLER_INDEX, deployment.metadata?.uid ?? ''),
      orphans: replicas
        .byIndex(CONTROLLER_INDEX, '')
        .filter((set) => set.metadata?.namespace === deployment.metadata?.namespace),
    });

  allDeployments.onChange((deployment, old) => {
    const changed = deployment ?? old;
    if (changed) controller.enqueue(keyOf(changed));
  });

  replicas.onChange((set, old) => {
    for (const key of new Set([ownerKey(set), ownerKey(old)])) if (key) controller.enqueue(key);
    if (!set || controllerOf(set)) return;
    for (const deployment of allDeployments.list(set.metadata?.namespace ?? '')) {
      const matches = matchesSelector(deployment.spec?.selector ?? {}, set.metadata?.labels);
      if (matches) controller.enqueue(keyOf(deployment));
    }
  });

  /** `Recreate` waits for the last old pod, which no ReplicaSet tells of. */
  allPods.onChange((pod, old) => {
    if (pod && !hasEnded(pod)) return;
    const key = deploymentOf(pod ?? old);
    const deployment = key && allDeployments.get(key);
    if (deployment && !isRollingUpdate(deployment)) controller.enqueue(key);
  });

  const ownerKey = (object: KubeObject | undefined): string | undefined => {
    const owner = object && controllerOf(object);
    return owner?.kind === 'Deployment' ? `${object?.metadata?.namespace}/${owner.name}` : undefined;
  };

  const deploymentOf = (pod: Pod | undefined): string | undefined => {
    const owner = pod && controllerOf(pod);
    return owner?.kind === 'ReplicaSet'
      ? ownerKey(replicas.get(`${pod?.metadata?.namespace}/${owner.name}`))
      : undefined;
  };

  return controller;
}
