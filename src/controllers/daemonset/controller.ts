import { isDeepStrictEqual } from 'node:util';
import { daemonSets, nodes } from '../../api/resource.ts';
import type { DaemonSet, Node, Pod } from '../../api/types.ts';
import { keyOf } from '../../client/cache.ts';
import type { Controller } from '../../client/controller.ts';
import type { ControllerContext } from '../context.ts';
import { isEmptySelector } from '../labels.ts';
import { createOwnedPods } from '../owned-pods.ts';
import { podOf } from '../pod-template.ts';
import { untilNextAvailable } from '../pods.ts';
import { createRevisions } from '../revisions.ts';
import { writeStatus } from '../status.ts';
import { affinityFor, nodeOf, tolerationsOf } from './placement.ts';
import { type DaemonPlan, HASH_LABEL, planDaemons } from './plan.ts';

/** One pod on each node that should have it. */
export function startDaemonSetController(context: ControllerContext): Controller {
  const { client, informers, run } = context;
  const sets = informers.informer(daemonSets);
  const allNodes = informers.informer(nodes);
  const events = context.events('daemonset-controller');
  const owned = createOwnedPods(context, {
    owners: sets,
    events,
    selectorOf: ({ spec }) => spec?.selector,
    adopts: ({ spec }) => spec?.nodeName !== undefined,
  });

  const revisions = createRevisions(context, sets, HASH_LABEL);

  const controller = run({
    name: 'daemonset-controller',
    informers: [sets, owned.informer, revisions.informer, allNodes],
    workers: 2,
    async sync(key) {
      const set = sets.get(key);
      if (!set) return;
      if (isEmptySelector(set.spec?.selector ?? {})) {
        const message = 'This daemon set is selecting all pods. A non-empty selector is required.';
        events.event(set, 'Warning', 'SelectingAll', message);
        return;
      }
      if (set.metadata?.deletionTimestamp) return;
      const all = await owned.of(set);
      const history = await revisions.of(set);
      const hash = history.update.metadata?.labels?.[HASH_LABEL] ?? '';
      const plan = planDaemons(set, hash, allNodes.list(), all, Date.now());
      const failure = owned.isCurrent(key) ? await carryOut(set, hash, plan) : undefined;
      const { conditions } = set.status ?? {};
      await writeStatus(client, daemonSets, set, {
        ...plan.status,
        conditions,
        collisionCount: history.collisionCount,
      });
      if (failure) throw failure.error;
      const hashes = new Set(all.map((pod) => pod.metadata?.labels?.[HASH_LABEL]));
      const live = history.all.filter(({ metadata }) => hashes.has(metadata?.labels?.[HASH_LABEL]));
      await revisions.prune(set, history, new Set(live.map(({ metadata }) => metadata?.name ?? '')));
      const wait = untilNextAvailable(all, set.spec?.minReadySeconds);
      if (wait !== undefined) controller.enqueueAfter(key, wait);
    },
  });
  owned.follow(controller);

  const carryOut = (set: DaemonSet, hash: string, plan: DaemonPlan) => {
    for (const pod of plan.failed) {
      const message = `Found failed daemon pod ${keyOf(pod)} on node ${nodeOf(pod)}, will try to kill it`;
      events.event(set, 'Warning', 'FailedDaemonPod', message);
    }
    return owned.change(
      set,
      plan.create.map((node) => newPod(set, hash, node)),
      plan.remove,
    );
  };

  allNodes.onChange((node, old) => {
    if (node && old && isDeepStrictEqual(whatMatters(node), whatMatters(old))) return;
    for (const set of sets.list()) controller.enqueue(keyOf(set));
  });
  return controller;
}

const whatMatters = ({ metadata, spec }: Node): unknown => [metadata?.labels, spec?.taints];

function newPod(set: DaemonSet, hash: string, node: string): Pod {
  const template = set.spec?.template;
  const pod = podOf(daemonSets, set, template);
  pod.metadata.labels = { ...pod.metadata.labels, [HASH_LABEL]: hash };
  return {
    ...pod,
    spec: {
      containers: [],
      ...template?.spec,
      tolerations: tolerationsOf(template?.spec),
      affinity: affinityFor(node, template?.spec?.affinity),
    },
  };
}
