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
import { Failures } from './failures.ts';
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
  const failures = new Failures();

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
      const isCurrent = owned.isCurrent(key);
      const isHeld = (pod: Pod): boolean => {
        const left = isCurrent ? failures.wait(placeOf(set, nodeOf(pod))) : 0;
        if (left > 0) controller.enqueueAfter(key, left);
        return left > 0;
      };
      const plan = planDaemons(set, hash, allNodes.list(), all, Date.now(), isHeld);
      const failure = isCurrent ? await carryOut(set, hash, plan) : undefined;
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

  const tellEnd = (set: DaemonSet, pod: Pod): void => {
    const which = `daemon pod ${keyOf(pod)} on node ${nodeOf(pod)}`;
    if (pod.status?.phase === 'Failed') {
      events.event(set, 'Warning', 'FailedDaemonPod', `Found failed ${which}, will try to kill it`);
    } else events.event(set, 'Normal', 'SucceededDaemonPod', `Found succeeded ${which}, will try to delete it`);
  };

  const carryOut = (set: DaemonSet, hash: string, plan: DaemonPlan) => {
    for (const pod of plan.ended) tellEnd(set, pod);
    return owned.change(
      set,
      plan.create.map((node) => newPod(set, hash, node)),
      plan.remove,
    );
  };

  sets.onChange((set, old) => {
    if (!set) failures.forget(`${old?.metadata?.uid}/`);
  });
  allNodes.onChange((node, old) => {
    if (node && old && isDeepStrictEqual(whatMatters(node), whatMatters(old))) return;
    for (const set of sets.list()) controller.enqueue(keyOf(set));
  });
  return controller;
}

/** Of the set as it is now: what is changed of it may mend what has failed. */
const placeOf = ({ metadata }: DaemonSet, node: string): string => `${metadata?.uid}/${metadata?.generation}/${node}`;

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
