import { setTimeout as delay } from 'node:timers/promises';
import { isDeepStrictEqual } from 'node:util';
import { nodes } from '../api/resource.ts';
import { formatTime } from '../api/schema/time.ts';
import type { Node, Taint } from '../api/types.ts';
import { messageOf } from '../base/errors.ts';
import type { Log } from '../base/log.ts';
import type { Running } from '../base/running.ts';
import { type Client, isAlreadyExists, isNotFound } from '../client/client.ts';
import type { EventRecorder } from '../client/events.ts';
import type { CriClient } from './cri/client.ts';
import {
  type NodeIdentity,
  nodeConditions,
  nodeImages,
  nodeInfo,
  nodeLabels,
  type Pressure,
  type RuntimeHealth,
  runtimeTrouble,
} from './node-status.ts';
import type { ResourceList } from './resources.ts';

export interface NodeReporterOptions {
  readonly client: Client;
  readonly cri: CriClient;
  readonly recorder: EventRecorder;
  readonly log: Log;
  readonly identity: NodeIdentity;
  readonly capacity: ResourceList;
  readonly allocatable: ResourceList;
  readonly labels: Readonly<Record<string, string>>;
  readonly taints: readonly Taint[];
  /** What the node runs short of now. */
  pressures(): ReadonlySet<Pressure>;
  /** Whether the node shuts down. */
  isGoing(): boolean;
  /** So long may the runtime give no answer before the node is not ready. */
  readonly runtimeGraceMs: number;
  /** Called when the node was told to be ready and was not before, for whatever reason. */
  becameReady(): void;
}

export interface NodeReporter extends Running {
  /** Looks at the runtime now instead of at the next turn. */
  wake(): void;
  /** As it was told last. */
  isReady(): boolean;
}

/** While the node is not ready, or the API server is not there: a look costs a millisecond, a slow boot much more. */
const IMPATIENT_MS = 25;
/** How long it stays impatient, since it began to wait. */
const IMPATIENCE_MS = 10_000;
const RETRY_MS = 500;
/** The kubelet's `nodeStatusUpdateFrequency` and `nodeStatusReportFrequency`. */
const LOOK_MS = 10_000;
const REPORT_MS = 300_000;

/** Registers the node and keeps its status up to date, from the moment on that there is an API server. */
export function startNodeReporter(options: NodeReporterOptions): NodeReporter {
  const abort = new AbortController();
  let nudge = Promise.withResolvers<void>();
  const wake = () => nudge.resolve();
  const state = { isReady: false };
  const running = report(options, state, abort.signal, async (ms) => {
    const sleep = new AbortController();
    await Promise.race([delay(ms, undefined, { signal: sleep.signal }).catch(() => undefined), nudge.promise]);
    sleep.abort();
    nudge = Promise.withResolvers();
  });
  return {
    wake,
    isReady: () => state.isReady,
    async stop() {
      abort.abort();
      wake();
      await running;
    },
  };
}

async function report(
  options: NodeReporterOptions,
  state: { isReady: boolean },
  signal: AbortSignal,
  pause: (ms: number) => Promise<void>,
): Promise<void> {
  let node: Node | undefined;
  let answered: { readonly health: RuntimeHealth; readonly at: number } | undefined;
  let reportedAt = 0;
  let unhappySince = Date.now();
  let complained = '';
  let began = false;
  let well = false;
  while (!signal.aborted) {
    try {
      // Others write of the node too: that it is silent, while it was cut off from them.
      const ref = { name: options.identity.nodeName };
      if (node && well) node = await options.client.get(nodes, ref);
      node ??= await register(options);
      if (!began) options.recorder.event(node, 'Normal', 'Starting', 'Starting kubelet.');
      began = true;
      const seen = await runtimeHealth(options.cri);
      if (!('error' in seen)) answered = { health: seen, at: Date.now() };
      // One that is started again is away for a moment, in which nothing of the node's pods changes.
      const isKnown = answered !== undefined && Date.now() - answered.at < options.runtimeGraceMs;
      const health = answered && isKnown ? answered.health : seen;
      const trouble = runtimeTrouble(health);
      well = trouble === undefined && !('error' in seen);
      const status = await nodeStatus(options, health, node);
      if (Date.now() - reportedAt > REPORT_MS || !sameStatus(node.status, status)) {
        const was = readyStatus(node);
        const before = node;
        node = await options.client.patch(nodes, ref, 'strategic', { status: patchOf(status, node) }, 'status');
        reportedAt = Date.now();
        if (was !== undefined && readyStatus(node) !== was) tellReadiness(options, node);
        state.isReady = readyStatus(node) === 'True';
        if (state.isReady && was !== 'True') options.becameReady();
        tellPressures(options, node, before);
        if (trouble) options.log.warn('the node is not ready', { why: trouble });
        complained = '';
      }
    } catch (error) {
      well = false;
      if (isNotFound(error)) node = undefined;
      const message = messageOf(error);
      if (message !== complained) options.log.warn('cannot report the node’s status yet', { error: message });
      complained = message;
    }
    if (well) unhappySince = Number.POSITIVE_INFINITY;
    else unhappySince = Math.min(unhappySince, Date.now());
    const impatient = Date.now() - unhappySince < IMPATIENCE_MS;
    if (!signal.aborted) await pause(well ? LOOK_MS : impatient ? IMPATIENT_MS : RETRY_MS);
  }
}

const readyStatus = (node: Node): string | undefined =>
  node.status?.conditions?.find(({ type }) => type === 'Ready')?.status;

function tellReadiness({ recorder, identity }: NodeReporterOptions, node: Node): void {
  const reason = readyStatus(node) === 'True' ? 'NodeReady' : 'NodeNotReady';
  recorder.event(node, 'Normal', reason, `Node ${identity.nodeName} status is now: ${reason}`);
}

const PRESSURE_EVENTS = {
  MemoryPressure: { True: 'NodeHasInsufficientMemory', False: 'NodeHasSufficientMemory' },
  DiskPressure: { True: 'NodeHasDiskPressure', False: 'NodeHasNoDiskPressure' },
  PIDPressure: { True: 'NodeHasInsufficientPID', False: 'NodeHasSufficientPID' },
} as const;

function tellPressures({ recorder, identity }: NodeReporterOptions, node: Node, before: Node): void {
  for (const [type, reasons] of Object.entries(PRESSURE_EVENTS)) {
    const [now, was] = [node, before].map(({ status }) => status?.conditions?.find((each) => each.type === type));
    // Of a new node it is told too that it has enough.
    if (!now || now.status === was?.status) continue;
    const reason = reasons[now.status === 'True' ? 'True' : 'False'];
    recorder.event(node, 'Normal', reason, `Node ${identity.nodeName} status is now: ${reason}`);
  }
}

async function register({
  client,
  identity,
  labels,
  taints,
  capacity,
  allocatable,
}: NodeReporterOptions): Promise<Node> {
  const wanted = { ...nodeLabels(identity), ...labels };
  const node: Node = {
    apiVersion: 'v1',
    kind: 'Node',
    metadata: { name: identity.nodeName, labels: wanted },
    spec: taints.length > 0 ? { taints: [...taints] } : {},
    status: { capacity: { ...capacity }, allocatable: { ...allocatable } },
  };
  try {
    return await client.create(nodes, node);
  } catch (error) {
    if (!isAlreadyExists(error)) throw error;
    return await client.patch(nodes, { name: identity.nodeName }, 'merge', { metadata: { labels: wanted } });
  }
}

async function runtimeHealth(cri: CriClient): Promise<RuntimeHealth> {
  try {
    const [version, { status }, images] = await Promise.all([cri.version(), cri.status(), cri.listImages()]);
    return { version, conditions: status?.conditions ?? [], images };
  } catch (error) {
    return { error: messageOf(error) };
  }
}

async function nodeStatus(
  { identity, capacity, allocatable, pressures, isGoing }: NodeReporterOptions,
  health: RuntimeHealth,
  node: Node,
): Promise<NonNullable<Node['status']>> {
  const now = formatTime(new Date());
  const before = node.status ?? {};
  const info = await nodeInfo(identity, health);
  const runtime = info.containerRuntimeVersion || before.nodeInfo?.containerRuntimeVersion || '';
  // What somebody else says that the node has (extended resources) is all for pods.
  const others = Object.entries(before.capacity ?? {}).filter(([name]) => !Object.hasOwn(capacity, name));
  const extended = Object.fromEntries(others);
  return {
    addresses: [
      ...identity.nodeIPs.map((address) => ({ type: 'InternalIP', address })),
      { type: 'Hostname', address: identity.hostname },
    ],
    capacity: { ...extended, ...capacity },
    allocatable: { ...extended, ...allocatable },
    conditions: nodeConditions(health, before.conditions, now, pressures(), isGoing()),
    daemonEndpoints: { kubeletEndpoint: { Port: identity.kubeletPort } },
    nodeInfo: { ...info, containerRuntimeVersion: runtime },
    // While the runtime is down its images are not gone.
    images: 'error' in health ? (before.images ?? []) : nodeImages(health),
  };
}

/**
 * Addresses are merged by their type, and a node of two families has two of one: the list is sent as a whole. What is
 * not allocatable any more is taken away by name.
 */
function patchOf(status: NonNullable<Node['status']>, { status: before }: Node): object {
  const gone = Object.keys(before?.allocatable ?? {}).filter((name) => !Object.hasOwn(status.allocatable ?? {}, name));
  return {
    ...status,
    addresses: [{ $patch: 'replace' }, ...(status.addresses ?? [])],
    allocatable: { ...status.allocatable, ...Object.fromEntries(gone.map((name) => [name, null])) },
  };
}

/** Whether two statuses say the same, leaving out when they were told. */
function sameStatus(a: Node['status'], b: Node['status']): boolean {
  const essence = (status: Node['status']) => ({
    addresses: status?.addresses,
    capacity: status?.capacity,
    allocatable: status?.allocatable,
    nodeInfo: status?.nodeInfo,
    images: status?.images ?? [],
    conditions: status?.conditions
      ?.map(({ type, status: value, reason, message }) => ({ type, value, reason, message }))
      .sort((x, y) => (x.type < y.type ? -1 : 1)),
  });
  return isDeepStrictEqual(essence(a), essence(b));
}
