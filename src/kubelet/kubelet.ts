import { mkdir, readdir } from 'node:fs/promises';
import { pods, services } from '../api/resource.ts';
import type { Pod, Taint } from '../api/types.ts';
import { messageOf } from '../base/errors.ts';
import type { Log } from '../base/log.ts';
import type { Running } from '../base/running.ts';
import type { Client } from '../client/client.ts';
import { createEventRecorder } from '../client/events.ts';
import type { InformerFactory } from '../client/informer.ts';
import { createInformers } from '../client/informers.ts';
import { cgroupMode } from '../kernel/cgroup.ts';
import { OomLog } from '../kernel/oom-log.ts';
import { rejectedUnder } from './admission.ts';
import { createBackoff } from './backoff.ts';
import { createConfigSource } from './config-source.ts';
import type { KubeletContext } from './context.ts';
import { createCriClient } from './cri/client.ts';
import type { Container, PodSandbox } from './cri/messages.ts';
import { keepFollowing } from './follow-runtime.ts';
import { startHousekeeping } from './housekeeping.ts';
import { createImagePuller } from './images.ts';
import { label } from './labels.ts';
import { startLease } from './lease.ts';
import { startLogRotation } from './log-rotation.ts';
import { startNodeReporter } from './node.ts';
import { nodeAllocatable, nodeCapacity, nodeReference, type Pressure } from './node-status.ts';
import { withOomReason } from './oom-reason.ts';
import { kubeletPaths } from './paths.ts';
import { hasEnded } from './pod-change.ts';
import type { Eviction } from './pod-end.ts';
import { createPodEvents } from './pod-events.ts';
import { createPodGate } from './pod-gate.ts';
import { createPodWorker, type PodWorker } from './pod-worker.ts';
import { PREEMPTION } from './preemption.ts';
import { createProber } from './probes/prober.ts';
import { quantity, type ResourceList } from './resources.ts';
import { createRuntimeView, type RuntimeView } from './runtime-view.ts';
import { serviceEnv } from './service-env.ts';
import { type KubeletSettings, type ResolvedSettings, resolveSettings } from './settings.ts';
import { createNodeShutdown } from './shutdown/index.ts';
import { shutdownPeriods } from './shutdown/periods.ts';
import type { ShutdownRecord } from './shutdown/record.ts';
import type { StaticPods } from './static-pods/index.ts';
import { mirroredHash } from './static-pods/manifests.ts';
import { createStats, type NodeUsage } from './stats.ts';
import { type TerminationCount, Terminations } from './terminations.ts';
import { createClaimSource } from './volumes/claims.ts';
import { createTokenSource } from './volumes/tokens.ts';

export interface KubeletOptions {
  readonly client: Client;
  readonly log: Log;
  readonly nodeName: string;
  /** One a family, the first one first. */
  readonly nodeIPs: readonly string[];
  readonly hostname: string;
  /** The container runtime's unix socket. It need not be there yet. */
  readonly criSocket: string;
  /** Pods' volumes and logs are kept below it. */
  readonly rootDir: string;
  /** Path in the cgroup tree below which pods run: `/knit/NAME/node-1/pods`. */
  readonly cgroupParent: string;
  /** Path in the cgroup tree of the node's own processes, which count as the node's use of cpu and memory. */
  readonly systemCgroup?: string;
  readonly clusterDNS: readonly string[];
  /** `cluster.local` */
  readonly clusterDomain: string;
  /** Where the node's own HTTPS API listens; told to the API server. */
  readonly kubeletPort?: number;
  /** As the node reports it: `v1.36.0+knit`. */
  readonly version?: string;
  /** Shared with other components of the node; made and ended here where it is left out. */
  readonly informers?: InformerFactory;
  /** Resolves when the images that come with the cluster are there: the sandboxes' is one. Never rejects. */
  readonly imagesReady?: Promise<void>;
  /** Replaces what is measured of the machine. */
  readonly capacity?: ResourceList;
  readonly settings?: KubeletSettings;
  /** So long may the runtime give no answer before the node is not ready. Default 30,000, as the kubelet's. */
  readonly runtimeGraceMs?: number;
  /** On the disk where the runtime keeps images. Default: `rootDir`. */
  readonly imageFolder?: string;
  readonly labels?: Readonly<Record<string, string>>;
  readonly taints?: readonly Taint[];
  /** Awaited between a pod's sandbox and its containers: what must hold for its addresses before it speaks. */
  readonly podStarts?: (pod: Pod, podIPs: readonly string[]) => Promise<void>;
  /** Called when nothing of a pod is left. */
  readonly podEnds?: (pod: Pod) => void;
}

export interface Kubelet extends Running {
  readonly runtime: RuntimeView;
  /** The node's name. */
  readonly name: string;
  readonly settings: ResolvedSettings;
  /** The node's pods, as the API server has them. */
  pods(): readonly Pod[];
  /** See {@link createStats}. */
  usage(): Promise<NodeUsage>;
  /** Of the node's last graceful shutdown. */
  lastShutdown(): ShutdownRecord;
  /** Containers that have ended since the kubelet was started. */
  terminations(): readonly TerminationCount[];
  /**
   * The node is about to go: its pods end in the periods that were chosen. Resolves when they have, or at once where none
   * was chosen.
   */
  shutDown(): Promise<void>;
  /** The node stays after all. */
  cancelShutdown(): void;
}

/**
 * The kubelet of one node: registers it and runs its pods through CRI. Resolves at once: it waits for the runtime and
 * for the API server by itself, and for both again where they go away. Stopping it leaves the containers as they are;
 * the next one finds them.
 */
export async function startKubelet(options: KubeletOptions): Promise<Kubelet> {
  const { client, log, nodeName, nodeIPs, rootDir } = options;
  const paths = kubeletPaths(rootDir);
  await mkdir(paths.pods, { recursive: true, mode: 0o750 });
  await mkdir(paths.logs, { recursive: true });
  const cri = withOomReason(createCriClient(options.criSocket), new OomLog());
  const recorder = createEventRecorder(client, { component: 'kubelet', host: nodeName });
  const events = createPodEvents(recorder);
  const config = createConfigSource(client);
  const informers = options.informers ?? createInformers(client, log);
  const podInformer = informers.informer(pods, { fieldSelector: `spec.nodeName=${nodeName}` });
  const serviceInformer = informers.informer(services);
  const settings = resolveSettings(options.settings);
  const identity = {
    nodeName,
    hostname: options.hostname,
    nodeIPs,
    rootDir,
    kubeletPort: options.kubeletPort ?? 10250,
    kubeletVersion: options.version ?? 'v1.36.0+knit',
    maxPods: settings.maxPods,
    capacity: options.capacity ?? {},
  };
  const capacity = await nodeCapacity(identity);
  const allocatable = nodeAllocatable(capacity, settings);
  const abort = new AbortController();
  let staticPods: StaticPods | undefined;
  /** The node's pods; static ones as they are run here, with the state that their mirrors tell. */
  const nodePods = (): readonly Pod[] => {
    if (!staticPods) return podInformer.list();
    const own = new Map(staticPods.list().map((pod) => [pod.metadata?.uid, pod]));
    return podInformer.list().map((pod) => {
      const run = own.get(mirroredHash(pod));
      return run ? { ...run, status: pod.status } : pod;
    });
  };
  let pressures: ReadonlySet<Pressure> = new Set();
  const workers = new Map<string, PodWorker>();
  const evict = async (pod: Pod, why: Eviction) => await workers.get(pod.metadata?.uid ?? '')?.evict(why);
  const prober = createProber(cri, events, (uid) => workers.get(uid)?.wake());
  const context: KubeletContext = {
    client,
    log,
    cri,
    criSocket: options.criSocket,
    stopping: abort.signal,
    paths,
    events,
    config,
    prober,
    nodeIPs,
    images: createImagePuller(cri, config, events),
    tokens: createTokenSource(client),
    claims: createClaimSource(client, nodeName),
    gate: createPodGate({
      client,
      nodeName,
      allocatable,
      allowedUnsafeSysctls: settings.allowedUnsafeSysctls,
      pods: nodePods,
      rejected: (pod) => rejectedUnder(pressures, pod) ?? shutdown.rejection(),
      async preempt(pod) {
        events.pod(pod, 'Warning', PREEMPTION.reason, PREEMPTION.message);
        await evict(pod, PREEMPTION);
      },
    }),
    restarts: createBackoff(),
    terminations: new Terminations(),
    exited: new Map(),
    addresses: new Map(),
    cgroupParent: options.cgroupParent,
    dns: { servers: options.clusterDNS, domain: options.clusterDomain },
    imagesReady: options.imagesReady ?? Promise.resolve(),
    allocatable,
    limits: {
      memoryBytes: quantity(capacity.memory),
      oomKillsAll: cgroupMode() === 'v2' && !settings.singleProcessOOMKill,
      podPids: settings.podPidsLimit,
    },
    nodeIsReady: () => node.isReady(),
    otherPods: ({ metadata }) =>
      nodePods().filter((other) => other.metadata?.uid !== metadata?.uid && !hasEnded(other.status?.phase)),
    podStarts: options.podStarts ?? (() => Promise.resolve()),
    podEnds: options.podEnds ?? (() => undefined),
    serviceEnv: (namespace, links) => serviceEnv(serviceInformer.list(), namespace, links),
  };

  const beginStaticPods = async () => {
    if (settings.staticPodPath === '') return;
    const { startStaticPods } = await import('./static-pods/index.ts');
    staticPods = await startStaticPods({
      client,
      log,
      nodeName,
      folder: settings.staticPodPath,
      pods: () => podInformer.list(),
      update: (pod, gone) => workerOf(pod.metadata?.uid ?? '').update(pod, gone),
      mirrored: (pod) => workers.get(pod.metadata?.uid ?? '')?.tellAgain(),
    });
  };

  /** All that the runtime holds has a worker: who gets one from now on is new to it. */
  let listed = false;
  const workerOf = (uid: string): PodWorker => {
    const known = workers.get(uid);
    if (known) return known;
    const worker = createPodWorker(context, { uid, isNew: listed }, () => workers.delete(uid));
    workers.set(uid, worker);
    return worker;
  };
  const onPod = (pod: Pod | undefined, old: Pod | undefined) => {
    if (abort.signal.aborted) return;
    const seen = pod ?? old;
    if (seen && mirroredHash(seen) !== undefined) {
      staticPods?.wake();
      return;
    }
    const uid = (pod ?? old)?.metadata?.uid ?? '';
    const oldUid = old?.metadata?.uid;
    // Deleted and made anew under the same name, between two looks.
    if (pod && oldUid !== undefined && oldUid !== uid) workers.get(oldUid)?.update(old, true);
    if (pod) workerOf(uid).update(pod, false);
    else workers.get(uid)?.update(old, true);
  };

  const shutdown = createNodeShutdown({
    log,
    rootDir,
    periods: shutdownPeriods(settings),
    pods: () => nodePods().filter((pod) => !hasEnded(pod.status?.phase)),
    evict,
    tell: (message) => recorder.event(nodeReference(nodeName), 'Normal', 'NodeShutdown', message),
    changed: () => node.wake(),
  });
  const node = startNodeReporter({
    client,
    cri,
    recorder,
    log,
    identity,
    capacity,
    allocatable,
    pressures: () => pressures,
    isGoing: shutdown.isComing,
    runtimeGraceMs: options.runtimeGraceMs ?? 30_000,
    becameReady() {
      for (const worker of workers.values()) worker.tellAgain();
    },
    labels: options.labels ?? {},
    taints: options.taints ?? [],
  });
  const lease = startLease(client, nodeName, log);
  const rotation = startLogRotation(cri, paths, log);
  const housekeeping = startHousekeeping({
    kubelet: context,
    recorder,
    settings,
    nodeName,
    capacity,
    workers,
    imageFolder: options.imageFolder ?? rootDir,
    pods: nodePods,
    pressures: (now) => {
      pressures = now;
      node.wake();
    },
  });

  /** Wakes the workers of all pods that are not as they were last seen, and finds pods that nobody knows. */
  const resync = async () => {
    const [sandboxes, containers] = await Promise.all([cri.listPodSandboxes(), cri.listContainers()]);
    const present = groupByPod([...sandboxes, ...containers]);
    // Folders without a pod are left when the runtime has lost its containers, as after a reboot of the machine.
    const known = [...present.keys(), ...(await readdir(paths.pods))];
    for (const uid of known) if (!workers.has(uid)) workerOf(uid).update(undefined, true);
    listed = true;
    for (const [uid, worker] of workers) worker.check(present.get(uid) ?? []);
  };
  const knowsItsPods = (async () => {
    await informers.start();
    await Promise.all([podInformer.synced, serviceInformer.synced]);
    // Before the runtime is looked at: what nobody has asked for is ended.
    await beginStaticPods();
    podInformer.onChange(onPod);
  })();
  const running = (async () => {
    await knowsItsPods;
    await keepFollowing(context, workers, resync, { signal: abort.signal, broke: () => node.wake() });
  })().catch((error: unknown) => {
    if (!abort.signal.aborted) log.error('the kubelet cannot read its pods', { error: messageOf(error) });
  });

  return {
    runtime: createRuntimeView(cri, paths),
    name: nodeName,
    settings,
    pods: nodePods,
    usage: createStats(cri, options.systemCgroup).usage,
    lastShutdown: shutdown.record,
    terminations: () => context.terminations.list(),
    async shutDown() {
      await knowsItsPods;
      await shutdown.begin();
    },
    cancelShutdown: shutdown.cancel,
    async stop() {
      abort.abort();
      // Of shared informers the pods' listener stays; it wakes nobody who was stopped.
      const parts = [options.informers ? undefined : informers, node, lease, rotation, housekeeping, staticPods];
      await Promise.all(parts.map((part) => part?.stop()));
      prober.stop();
      // Calls may wait for minutes (a container's grace period).
      cri.close();
      await Promise.all([...workers.values()].map((worker) => worker.stop()));
      await running;
    },
  };
}

function groupByPod(listed: readonly (PodSandbox | Container)[]): Map<string, (PodSandbox | Container)[]> {
  const groups = new Map<string, (PodSandbox | Container)[]>();
  for (const item of listed) {
    const uid = item.labels[label.podUid];
    if (!uid) continue;
    const group = groups.get(uid);
    if (group) group.push(item);
    else groups.set(uid, [item]);
  }
  return groups;
}
