import { isDeepStrictEqual } from 'node:util';
import { daemonSets, nodes, pods } from '../../api/resource.ts';
import type { DaemonSet, Node, Pod } from '../../api/types.ts';
import { messageOf } from '../../base/errors.ts';
import { keyOf } from '../../client/cache.ts';
import { isNotFound } from '../../client/client.ts';
import { type Controller, runController } from '../../client/controller.ts';
import { claim } from '../adoption.ts';
import type { ControllerContext } from '../context.ts';
import { Expectations } from '../expectations.ts';
import { isEmptySelector, matchesSelector } from '../labels.ts';
import { CONTROLLER_INDEX, controllerIndex, controllerOf, controllerReference } from '../owners.ts';
import { isTerminating, untilAvailable } from '../pods.ts';
import { affinityFor, nodeOf, tolerationsOf } from './placement.ts';
import { type DaemonPlan, HASH_LABEL, planDaemons, revisionOf } from './plan.ts';

/** One pod on each node that should have it. Revisions (`kubectl rollout undo`) are not kept yet. */
export function startDaemonSetController(context: ControllerContext): Controller {
  const { client, informers, log } = context;
  const sets = informers.informer(daemonSets);
  const allPods = informers.informer(pods, { indexes: controllerIndex });
  const allNodes = informers.informer(nodes);
  const expectations = new Expectations();
  const events = context.events('daemonset-controller');

  const controller = runController({
    name: 'daemonset-controller',
    log,
    informers: [sets, allPods, allNodes],
    workers: 2,
    async sync(key) {
      const set = sets.get(key);
      if (!set) return expectations.forget(key);
      if (isEmptySelector(set.spec?.selector ?? {})) {
        const message = 'This daemon set is selecting all pods. A non-empty selector is required.';
        events.event(set, 'Warning', 'SelectingAll', message);
        return;
      }
      if (set.metadata?.deletionTimestamp) return;
      const owned = await claimPods(set);
      const plan = planDaemons(set, allNodes.list(), owned, Date.now());
      if (expectations.fulfilled(key)) await carryOut(set, key, plan);
      await report(set, plan);
      const waits = owned.map((pod) => untilAvailable(pod, set.spec?.minReadySeconds ?? 0, Date.now()) ?? 0);
      const soonest = Math.min(...waits.filter((ms) => ms > 0));
      if (Number.isFinite(soonest)) controller.enqueueAfter(key, soonest + 1);
    },
  });

  const carryOut = async (set: DaemonSet, key: string, plan: DaemonPlan): Promise<void> => {
    for (const pod of plan.failed) {
      const message = `Found failed daemon pod ${keyOf(pod)} on node ${nodeOf(pod)}, will try to kill it`;
      events.event(set, 'Warning', 'FailedDaemonPod', message);
    }
    const removed = plan.remove.map((pod) => pod.metadata?.uid ?? '');
    expectations.expect(key, plan.create.length, removed);
    const results = await Promise.allSettled([
      ...plan.create.map((node) => create(set, key, node)),
      ...plan.remove.map((pod) => remove(set, key, pod)),
    ]);
    const refused = results.find((result) => result.status === 'rejected');
    if (refused) throw refused.reason;
  };

  const create = async (set: DaemonSet, key: string, node: string): Promise<void> => {
    try {
      const pod = await client.create(pods, newPod(set, node));
      events.event(set, 'Normal', 'SuccessfulCreate', `Created pod: ${pod.metadata?.name}`);
    } catch (error) {
      expectations.created(key);
      events.event(set, 'Warning', 'FailedCreate', `Error creating: ${messageOf(error)}`);
      throw error;
    }
  };

  const remove = async (set: DaemonSet, key: string, pod: Pod): Promise<void> => {
    const { name = '', namespace, uid = '' } = pod.metadata ?? {};
    try {
      await client.delete(pods, { name, namespace }, { preconditions: { uid } });
      events.event(set, 'Normal', 'SuccessfulDelete', `Deleted pod: ${name}`);
    } catch (error) {
      expectations.deleted(key, uid);
      if (!isNotFound(error)) throw error;
    }
  };

  const report = async (set: DaemonSet, { status }: DaemonPlan): Promise<void> => {
    const plain = (value: unknown): unknown => JSON.parse(JSON.stringify(value ?? {}));
    const merged = { ...status, conditions: set.status?.conditions };
    if (isDeepStrictEqual(plain(set.status), plain(merged))) return;
    await client.updateStatus(daemonSets, { ...set, status: merged });
  };

  const claimPods = (set: DaemonSet): Promise<Pod[]> =>
    claim({
      client,
      resource: pods,
      ownerResource: daemonSets,
      owner: set,
      matches: (pod) => matchesSelector(set.spec?.selector ?? {}, pod.metadata?.labels),
      owned: allPods.byIndex(CONTROLLER_INDEX, set.metadata?.uid ?? ''),
      orphans: allPods
        .byIndex(CONTROLLER_INDEX, '')
        .filter((pod) => pod.metadata?.namespace === set.metadata?.namespace && pod.spec?.nodeName),
    });

  sets.onChange((set, old) => {
    const changed = set ?? old;
    if (!changed) return;
    if (!set) expectations.forget(keyOf(changed));
    controller.enqueue(keyOf(changed));
  });
  allPods.onChange((pod, old) => {
    const changed = pod ?? old;
    const owner = changed && controllerOf(changed);
    if (owner?.kind !== 'DaemonSet') return;
    const key = `${changed?.metadata?.namespace}/${owner.name}`;
    if (pod && !old) expectations.created(key);
    if (!pod || isTerminating(pod)) expectations.deleted(key, changed?.metadata?.uid ?? '');
    controller.enqueue(key);
  });
  allNodes.onChange((node, old) => {
    if (node && old && isDeepStrictEqual(whatMatters(node), whatMatters(old))) return;
    for (const set of sets.list()) controller.enqueue(keyOf(set));
  });
  return controller;
}

const whatMatters = ({ metadata, spec }: Node): unknown => [metadata?.labels, spec?.taints];

function newPod(set: DaemonSet, node: string): Pod {
  const { name = '', namespace } = set.metadata ?? {};
  const template = set.spec?.template;
  const revision = revisionOf(set);
  return {
    metadata: {
      generateName: `${name}-`,
      namespace,
      labels: { ...template?.metadata?.labels, [HASH_LABEL]: revision },
      annotations: template?.metadata?.annotations,
      ownerReferences: [controllerReference(daemonSets, set)],
    },
    spec: {
      containers: [],
      ...template?.spec,
      tolerations: tolerationsOf(template?.spec),
      affinity: affinityFor(node, template?.spec?.affinity),
    },
  };
}
