import { leases, nodes, pods } from '../api/resource.ts';
import type { Node, Pod, Taint } from '../api/types.ts';
import { isNotFound } from '../client/client.ts';
import type { Controller } from '../client/controller.ts';
import type { ControllerContext } from './context.ts';
import { NODE_INDEX, nodeIndex } from './owners.ts';
import { isReady } from './pods.ts';
import { timestamp } from './time.ts';

type NodeCondition = NonNullable<NonNullable<Node['status']>['conditions']>[number];

const NOT_READY = 'node.kubernetes.io/not-ready';
const UNREACHABLE = 'node.kubernetes.io/unreachable';

/** Conditions that a silent node says nothing of any more. */
const REPORTED = ['Ready', 'MemoryPressure', 'DiskPressure', 'PIDPressure'];

/** Conditions that keep new pods away while they are true. */
const PRESSURES: Readonly<Record<string, string>> = {
  MemoryPressure: 'node.kubernetes.io/memory-pressure',
  DiskPressure: 'node.kubernetes.io/disk-pressure',
  PIDPressure: 'node.kubernetes.io/pid-pressure',
  NetworkUnavailable: 'node.kubernetes.io/network-unavailable',
};
const UNSCHEDULABLE = 'node.kubernetes.io/unschedulable';
const OURS = new Set([NOT_READY, UNREACHABLE, UNSCHEDULABLE, ...Object.values(PRESSURES)]);

/** Notices nodes that fell silent, and turns the state of nodes into taints. */
export function startNodeLifecycle(context: ControllerContext): Controller {
  const { client, informers, log, run, nodeMonitorGracePeriodMs = 40_000 } = context;
  const allNodes = informers.informer(nodes);
  const heartbeats = informers.informer(leases, { namespace: 'kube-node-lease' });
  const allPods = informers.informer(pods, { indexes: nodeIndex });
  const events = context.events('node-controller');
  /** When a sign of life was last seen, by this machine's clock: clocks of nodes need not agree with it. */
  const seen = new Map<string, number>();
  /** Nodes whose coming was told of. */
  const registered = new Map<string, Node>();

  const controller = run({
    name: 'node-lifecycle-controller',
    informers: [allNodes, heartbeats, allPods],
    async sync(name) {
      const node = allNodes.get(name);
      tellNews(name, node);
      if (!node) {
        seen.delete(name);
        return;
      }
      const silent = performance.now() - (seen.get(name) ?? performance.now());
      const isSilent = silent >= nodeMonitorGracePeriodMs;
      const present = isSilent ? await markUnknown(node) : node;
      if (!isSilent) controller.enqueueAfter(name, nodeMonitorGracePeriodMs - silent + 1);
      await taint(present);
      if (!['True', undefined].includes(readyStatus(present))) await markPodsNotReady(name);
    },
  });

  const tellNews = (name: string, node: Node | undefined): void => {
    const before = registered.get(name);
    const isSame = node?.metadata?.uid === before?.metadata?.uid;
    if (before && !isSame) {
      events.event(before, 'Normal', 'RemovingNode', `Node ${name} event: Removing Node ${name} from Controller`);
      registered.delete(name);
    }
    if (!node || (before && isSame)) return;
    registered.set(name, node);
    events.event(node, 'Normal', 'RegisteredNode', `Node ${name} event: Registered Node ${name} in Controller`);
  };

  const markUnknown = async (node: Node): Promise<Node> => {
    const name = node.metadata?.name ?? '';
    const present = node.status?.conditions ?? [];
    const conditions = unknownConditions(node);
    if (conditions.every((condition) => present.includes(condition))) return node;
    const wasReady = readyStatus(node) === 'True';
    const updated = await client.updateStatus(nodes, { ...node, status: { ...node.status, conditions } });
    log.warn('node is silent', { node: name });
    if (wasReady) events.event(node, 'Normal', 'NodeNotReady', `Node ${name} status is now: NodeNotReady`);
    return updated;
  };

  const taint = async (node: Node): Promise<void> => {
    const present = node.spec?.taints ?? [];
    const wanted = taintsOf(node);
    const isWanted = (taint: Taint) => wanted.some((each) => sameTaint(each, taint));
    const missing = wanted.filter((taint) => !present.some((each) => sameTaint(each, taint)));
    const kept = present.filter((taint) => !OURS.has(taint.key) || isWanted(taint));
    if (missing.length === 0 && kept.length === present.length) return;
    const now = timestamp();
    const added = missing.map((each) => (each.effect === 'NoExecute' ? { ...each, timeAdded: now } : each));
    await client.update(nodes, { ...node, spec: { ...node.spec, taints: [...kept, ...added] } });
  };

  /** Of a silent node nobody else can, and one that shuts down does not: Services must not lead there any longer. */
  const markPodsNotReady = async (node: string): Promise<void> => {
    const ready = allPods.byIndex(NODE_INDEX, node).filter(isReady);
    await Promise.all(ready.map(markNotReady));
  };

  const markNotReady = async (pod: Pod): Promise<void> => {
    const { name = '', namespace, uid } = pod.metadata ?? {};
    const condition = { type: 'Ready', status: 'False', lastTransitionTime: timestamp() };
    try {
      const patch = { metadata: { uid }, status: { conditions: [condition] } };
      await client.patch(pods, { name, namespace }, 'strategic', patch, 'status');
      events.event(pod, 'Warning', 'NodeNotReady', 'Node is not ready');
    } catch (error) {
      if (!isNotFound(error)) throw error;
    }
  };

  allNodes.onChange((node, old) => {
    const name = (node ?? old)?.metadata?.name ?? '';
    if (!seen.has(name) || isSignOfLife(node, old)) seen.set(name, performance.now());
    controller.enqueue(name);
  });
  heartbeats.onChange((lease) => {
    const name = lease?.metadata?.name;
    // The node's own time tells when to look again; a sign of life is no reason to.
    if (name && seen.has(name)) seen.set(name, performance.now());
  });
  return controller;
}

const conditionOf = (node: Node | undefined, type: string): NodeCondition | undefined =>
  node?.status?.conditions?.find((condition) => condition.type === type);

const readyStatus = (node: Node): string | undefined => conditionOf(node, 'Ready')?.status;

/** A report of the kubelet. What this controller wrote, and `Unknown` is always that, is none. */
function isSignOfLife(node: Node | undefined, old: Node | undefined): boolean {
  const now = conditionOf(node, 'Ready');
  const before = conditionOf(old, 'Ready');
  if (!now || now.status === 'Unknown') return false;
  return now.lastHeartbeatTime !== before?.lastHeartbeatTime || now.status !== before?.status;
}

function unknownConditions(node: Node): NodeCondition[] {
  const now = timestamp();
  const others = (node.status?.conditions ?? []).filter((condition) => !REPORTED.includes(condition.type));
  const unknown = REPORTED.map((type): NodeCondition => {
    const present = conditionOf(node, type);
    if (present?.status === 'Unknown') return present;
    const never = { reason: 'NodeStatusNeverUpdated', message: 'Kubelet never posted node status.' };
    const stopped = { reason: 'NodeStatusUnknown', message: 'Kubelet stopped posting node status.' };
    const lastHeartbeatTime = present?.lastHeartbeatTime ?? node.metadata?.creationTimestamp;
    return { type, status: 'Unknown', lastHeartbeatTime, lastTransitionTime: now, ...(present ? stopped : never) };
  });
  return [...others, ...unknown];
}

function taintsOf(node: Node): Taint[] {
  const taints: Taint[] = [];
  const ready = readyStatus(node);
  const key = ready === 'Unknown' ? UNREACHABLE : NOT_READY;
  // A node that has said nothing yet is kept free of pods, but what is there is not driven away.
  if (ready !== 'True') taints.push({ key: ready === undefined ? NOT_READY : key, effect: 'NoSchedule' });
  if (ready !== 'True' && ready !== undefined) taints.push({ key, effect: 'NoExecute' });
  if (node.spec?.unschedulable) taints.push({ key: UNSCHEDULABLE, effect: 'NoSchedule' });
  for (const [type, pressure] of Object.entries(PRESSURES)) {
    if (conditionOf(node, type)?.status === 'True') taints.push({ key: pressure, effect: 'NoSchedule' });
  }
  return taints;
}

const sameTaint = (a: Taint, b: Taint): boolean => a.key === b.key && a.effect === b.effect;
