import { persistentVolumeClaims, pods, statefulSets } from '../../api/resource.ts';
import type { Pod, StatefulSet } from '../../api/types.ts';
import { messageOf } from '../../base/errors.ts';
import { keyOf } from '../../client/cache.ts';
import type { Controller } from '../../client/controller.ts';
import type { ControllerContext } from '../context.ts';
import { createOwnedPods } from '../owned-pods.ts';
import { isTerminating, untilNextAvailable } from '../pods.ts';
import { createRevisions, type History } from '../revisions.ts';
import { writeStatus } from '../status.ts';
import { createClaims } from './claims.ts';
import { identityLabels, ordinalOf, podFor, revisionOf } from './identity.ts';
import { planStatefulSet, type StatefulPlan } from './plan.ts';

const HASH_LABEL = 'controller.kubernetes.io/hash';

/**
 * Pods with a number, a name and claims that stay. That there are never two of one name needs no account of what was
 * done: the API server has one object a name, and it goes only when the node says that its containers have ended.
 */
export function startStatefulSetController(context: ControllerContext): Controller {
  const { client, informers, run } = context;
  const sets = informers.informer(statefulSets);
  const allClaims = informers.informer(persistentVolumeClaims);
  const events = context.events('statefulset-controller');
  const owned = createOwnedPods(context, { owners: sets, events, selectorOf: ({ spec }) => spec?.selector, describe });
  const revisions = createRevisions(context, sets, HASH_LABEL);
  const claims = createClaims(client, allClaims, events);

  const controller = run({
    name: 'statefulset-controller',
    informers: [sets, owned.informer, revisions.informer, allClaims],
    async sync(key) {
      const set = sets.get(key);
      if (!set) return;
      const all = (await owned.of(set)).filter((pod) => ordinalOf(set, pod) !== undefined);
      const history = await revisions.of(set);
      const names = { current: currentOf(set, history), update: history.update.metadata?.name ?? '' };
      const plan = planStatefulSet(set, all, names, Date.now());
      const act = owned.isCurrent(key) && !set.metadata?.deletionTimestamp;
      const failure = act ? await carryOut(set, all, history, plan) : undefined;
      await writeStatus(client, statefulSets, set, { ...plan.status, collisionCount: history.collisionCount });
      if (failure) throw failure.error;
      const live = new Set([plan.status.currentRevision ?? '', ...all.map((pod) => revisionOf(pod) ?? '')]);
      await revisions.prune(set, history, live);
      const wait = untilNextAvailable(all, set.spec?.minReadySeconds);
      if (wait !== undefined) controller.enqueueAfter(key, wait);
    },
  });
  owned.follow(controller);

  const carryOut = async (set: StatefulSet, all: readonly Pod[], history: History, plan: StatefulPlan) => {
    try {
      for (const pod of all) await identify(set, pod);
      await claims.tie(set, all, plan.condemned);
      const waiting = all.filter((pod) => pod.status?.phase === 'Pending' && !isTerminating(pod));
      const ordinals = [
        ...waiting.map((pod) => ordinalOf(set, pod) ?? 0),
        ...plan.create.map(({ ordinal }) => ordinal),
      ];
      for (const ordinal of ordinals) await claims.make(set, ordinal);
    } catch (error) {
      return { error };
    }
    for (const pod of plan.ended) tellEnded(set, pod);
    const revisionNamed = (name: string) => history.all.find(({ metadata }) => metadata?.name === name);
    const create = plan.create.map(({ ordinal, revision }) =>
      podFor(set, ordinal, revisionNamed(revision) ?? history.update),
    );
    return await owned.change(set, create, plan.remove);
  };

  const tellEnded = (set: StatefulSet, pod: Pod): void => {
    const what = `StatefulSet ${keyOf(set)} is recreating`;
    if (pod.status?.phase === 'Failed') {
      events.event(set, 'Warning', 'RecreatingFailedPod', `${what} failed Pod ${pod.metadata?.name}`);
    } else {
      events.event(set, 'Normal', 'RecreatingTerminatedPod', `${what} terminated Pod ${pod.metadata?.name}`);
    }
  };

  /** A pod that was adopted may lack the labels by which the set's are known. */
  const identify = async (set: StatefulSet, pod: Pod): Promise<void> => {
    const { name = '', namespace, uid } = pod.metadata ?? {};
    const labels = identityLabels(name, ordinalOf(set, pod) ?? 0);
    if (Object.entries(labels).every(([label, value]) => pod.metadata?.labels?.[label] === value)) return;
    await client.patch(pods, { name, namespace }, 'merge', { metadata: { uid, labels } });
  };

  // A claim that is gone lets the pod of its name start.
  allClaims.onChange((claim, old) => {
    if (claim) return;
    for (const set of sets.list(old?.metadata?.namespace ?? '')) {
      if (set.spec?.volumeClaimTemplates?.length) controller.enqueue(keyOf(set));
    }
  });
  return controller;
}

function describe(verb: string, set: StatefulSet, pod: Pod, error: unknown): string {
  const what = `${verb} Pod ${pod.metadata?.name} in StatefulSet ${set.metadata?.name}`;
  return error === undefined ? `${what} successful` : `${what} failed error: ${messageOf(error)}`;
}

/** The revision that all pods had when the last update was done; that of the template while there was none. */
function currentOf(set: StatefulSet, { all, update }: History): string {
  const current = all.find(({ metadata }) => metadata?.name === set.status?.currentRevision);
  return (current ?? update).metadata?.name ?? '';
}
