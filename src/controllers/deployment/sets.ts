import { deployments, replicaSets } from '../../api/resource.ts';
import type { Deployment, ReplicaSet } from '../../api/types.ts';
import { messageOf } from '../../base/errors.ts';
import { type Client, isAlreadyExists } from '../../client/client.ts';
import type { EventRecorder } from '../../client/events.ts';
import { controllerReference, isControlledBy } from '../owners.ts';
import { sameTemplate, TEMPLATE_HASH_LABEL, templateHash } from '../template.ts';
import { byAge, newReplicas, replicasOf } from './numbers.ts';
import {
  byRevision,
  hasAnnotations,
  newSetAnnotations,
  nextRevision,
  REVISION,
  revisionOf,
  scaleAnnotations,
} from './revisions.ts';
import { type Change, type Condition, conditionOf, progressDeadline, reasons, withCondition } from './status.ts';

/** One look at a Deployment: what it is now, and what was learned on the way to be written into its status. */
export interface Rollout {
  deployment: Deployment;
  conditions: Condition[];
  newSet: ReplicaSet | undefined;
  /** All others, with pods or without. */
  readonly old: ReplicaSet[];
}

export function rolloutOf(deployment: Deployment, sets: readonly ReplicaSet[]): Rollout {
  const newSet = sets.toSorted(byAge).find((set) => sameTemplate(set.spec?.template, deployment.spec?.template));
  const old = sets.filter((set) => set !== newSet);
  return { deployment, conditions: [...(deployment.status?.conditions ?? [])], newSet, old };
}

export const allSets = ({ old, newSet }: Rollout): ReplicaSet[] => (newSet ? [...old, newSet] : old);

/** What a Deployment does to its ReplicaSets. */
export function createSets(client: Client, events: EventRecorder) {
  const note = (rollout: Rollout, change: Change): void => {
    if (progressDeadline(rollout.deployment) === undefined) return;
    rollout.conditions = withCondition(rollout.conditions, change);
  };

  /** Brings the new ReplicaSet's annotations and the Deployment's revision up to date; makes it where `create`. */
  const syncRevision = async (rollout: Rollout, create: boolean): Promise<void> => {
    const revision = nextRevision(rollout.old);
    if (rollout.newSet) await refresh(rollout, rollout.newSet, revision);
    else if (create) await make(rollout, revision);
    if (!rollout.newSet) return;
    await setRevision(rollout, revisionOf(rollout.newSet));
  };

  const refresh = async (rollout: Rollout, set: ReplicaSet, revision: bigint): Promise<void> => {
    const { deployment } = rollout;
    const annotations = newSetAnnotations(deployment, set, revision);
    const minReadySeconds = deployment.spec?.minReadySeconds ?? 0;
    if (!hasAnnotations(set, annotations) || (set.spec?.minReadySeconds ?? 0) !== minReadySeconds) {
      const metadata = { ...set.metadata, annotations };
      const spec = { ...set.spec, minReadySeconds, selector: set.spec?.selector ?? {} };
      rollout.newSet = await client.update(replicaSets, { ...set, metadata, spec });
    }
    if (conditionOf(rollout, 'Progressing')) return;
    const message = `Found new replica set "${set.metadata?.name}"`;
    note(rollout, { type: 'Progressing', status: 'True', reason: reasons.found, message });
  };

  const make = async (rollout: Rollout, revision: bigint): Promise<void> => {
    const { deployment } = rollout;
    const set = newReplicaSet(deployment, newReplicas(deployment, rollout.old, undefined), revision);
    const name = set.metadata?.name ?? '';
    try {
      rollout.newSet = await client.create(replicaSets, set);
    } catch (error) {
      if (isAlreadyExists(error)) {
        rollout.newSet = await existing(rollout, set);
        return;
      }
      const message = `Failed to create new replica set "${name}": ${messageOf(error)}`;
      events.event(deployment, 'Warning', reasons.createFailed, message);
      note(rollout, { type: 'Progressing', status: 'False', reason: reasons.createFailed, message });
      const status = { ...deployment.status, conditions: rollout.conditions };
      await client.updateStatus(deployments, { ...deployment, status });
      throw error;
    }
    const size = replicasOf(rollout.newSet);
    if (size > 0) {
      events.event(deployment, 'Normal', 'ScalingReplicaSet', `Scaled up replica set ${name} from 0 to ${size}`);
    }
    const message = `Created new replica set "${name}"`;
    note(rollout, { type: 'Progressing', status: 'True', reason: reasons.created, message });
  };

  /** The copy was old and the set is ours already, or another template has the same hash: then the next one is tried. */
  const existing = async ({ deployment }: Rollout, wanted: ReplicaSet): Promise<ReplicaSet> => {
    const { name = '', namespace } = wanted.metadata ?? {};
    const found = await client.get(replicaSets, { name, namespace });
    const same = sameTemplate(found.spec?.template, deployment.spec?.template);
    if (same && isControlledBy(found, deployment)) return found;
    const collisionCount = (deployment.status?.collisionCount ?? 0) + 1;
    await client.updateStatus(deployments, { ...deployment, status: { ...deployment.status, collisionCount } });
    throw new Error(`${name} is the name of another replica set`);
  };

  const setRevision = async (rollout: Rollout, revision: bigint): Promise<void> => {
    const { name = '', namespace } = rollout.deployment.metadata ?? {};
    if (revisionOf(rollout.deployment) === revision) return;
    const patch = { metadata: { annotations: { [REVISION]: String(revision) } } };
    // With the status, as Kubernetes does it: what its author wants has not changed.
    rollout.deployment = await client.patch(deployments, { name, namespace }, 'merge', patch, 'status');
  };

  /** Returns whether anything had to change in size. */
  const scale = async (rollout: Rollout, set: ReplicaSet, size: number): Promise<boolean> => {
    const { deployment } = rollout;
    const before = replicasOf(set);
    const annotations = scaleAnnotations(deployment);
    if (before === size && hasAnnotations(set, annotations)) return false;
    const metadata = { ...set.metadata, annotations: { ...set.metadata?.annotations, ...annotations } };
    const spec = { ...set.spec, replicas: size, selector: set.spec?.selector ?? {} };
    const updated = await client.update(replicaSets, { ...set, metadata, spec });
    replace(rollout, set, updated);
    if (before === size) return false;
    const message = `Scaled ${size > before ? 'up' : 'down'} replica set ${set.metadata?.name} from ${before} to ${size}`;
    events.event(deployment, 'Normal', 'ScalingReplicaSet', message);
    return true;
  };

  /** Ends old ReplicaSets beyond the history limit, oldest revisions first; none that has or gets pods. */
  const cleanUp = async ({ deployment, old }: Rollout): Promise<void> => {
    const limit = deployment.spec?.revisionHistoryLimit;
    if (limit === undefined) return;
    const alive = old.filter((set) => !set.metadata?.deletionTimestamp).sort(byRevision);
    for (const set of alive.slice(0, Math.max(0, alive.length - limit))) {
      const observed = (set.status?.observedGeneration ?? 0) >= (set.metadata?.generation ?? 0);
      if (replicasOf(set) !== 0 || (set.status?.replicas ?? 0) !== 0 || !observed) continue;
      const { name = '', namespace, uid } = set.metadata ?? {};
      await client.delete(replicaSets, { name, namespace }, { preconditions: { uid } });
    }
  };

  return { syncRevision, scale, cleanUp, note };
}

export type Sets = ReturnType<typeof createSets>;

function replace(rollout: Rollout, set: ReplicaSet, updated: ReplicaSet): void {
  if (rollout.newSet === set) rollout.newSet = updated;
  const at = rollout.old.indexOf(set);
  if (at >= 0) rollout.old[at] = updated;
}

function newReplicaSet(deployment: Deployment, replicas: number, revision: bigint): ReplicaSet {
  const { name = '', namespace } = deployment.metadata ?? {};
  const template = deployment.spec?.template ?? {};
  const hash = templateHash(template, deployment.status?.collisionCount);
  const labels = { ...template.metadata?.labels, [TEMPLATE_HASH_LABEL]: hash };
  const selector = deployment.spec?.selector ?? {};
  return {
    metadata: {
      name: `${name}-${hash}`,
      namespace,
      labels,
      annotations: newSetAnnotations(deployment, undefined, revision),
      ownerReferences: [controllerReference(deployments, deployment)],
    },
    spec: {
      replicas,
      minReadySeconds: deployment.spec?.minReadySeconds,
      selector: { ...selector, matchLabels: { ...selector.matchLabels, [TEMPLATE_HASH_LABEL]: hash } },
      template: { ...template, metadata: { ...template.metadata, labels } },
    },
  };
}
