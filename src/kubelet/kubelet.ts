import { mkdir, readdir } from 'node:fs/promises';
import { setTimeout as delay } from 'node:timers/promises';
import { pods, services } from '../api/resource.ts';
import type { Pod, Taint } from '../api/types.ts';
import { KnitError, messageOf } from '../base/errors.ts';
import type { Log } from '../base/log.ts';
import type { Running } from '../base/running.ts';
import type { Client } from '../client/client.ts';
import { createEventRecorder } from '../client/events.ts';
import type { InformerFactory } from '../client/informer.ts';
import { createInformers } from '../client/informers.ts';
import { createBackoff } from './backoff.ts';
import { createConfigSource } from './config-source.ts';
import type { KubeletContext } from './context.ts';
import { createCriClient } from './cri/client.ts';
import type { Container, PodSandbox } from './cri/messages.ts';
import { createImagePuller } from './images.ts';
import { label } from './labels.ts';
import { startLease } from './lease.ts';
import { startLogRotation } from './log-rotation.ts';
import { startNodeReporter } from './node.ts';
import { nodeCapacity } from './node-status.ts';
import { kubeletPaths } from './paths.ts';
import { hasEnded } from './pod-change.ts';
import { createPodEvents } from './pod-events.ts';
import { createPodWorker, type PodWorker } from './pod-worker.ts';
import { createProber } from './probes/prober.ts';
import { quantity, type ResourceList } from './resources.ts';
import { createRuntimeView, type RuntimeView } from './runtime-view.ts';
import { serviceEnv } from './service-env.ts';
import { settled } from './settled.ts';
import { createStats, type NodeUsage } from './stats.ts';
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
  readonly maxPods?: number;
  readonly labels?: Readonly<Record<string, string>>;
  readonly taints?: readonly Taint[];
  /** Awaited between a pod's sandbox and its containers: what must hold for its addresses before it speaks. */
  readonly podStarts?: (pod: Pod, podIPs: readonly string[]) => Promise<void>;
}

export interface Kubelet extends Running {
  readonly runtime: RuntimeView;
  /** The node's name. */
  readonly name: string;
  /** The node's pods, as the API server has them. */
  pods(): readonly Pod[];
  /** See {@link createStats}. */
  usage(): Promise<NodeUsage>;
}

/** Between two attempts to listen to the runtime. */
const RECONNECT_MS = 25;
const MAX_RECONNECT_MS = 500;
/** Everything is looked at again after this time: the runtime promises no event to who was not listening yet. */
const RESYNC_MS = 10_000;

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
  const cri = createCriClient(options.criSocket);
  const recorder = createEventRecorder(client, { component: 'kubelet', host: nodeName });
  const events = createPodEvents(recorder);
  const config = createConfigSource(client);
  const informers = options.informers ?? createInformers(client, log);
  const podInformer = informers.informer(pods, { fieldSelector: `spec.nodeName=${nodeName}` });
  const serviceInformer = informers.informer(services);
  const identity = {
    nodeName,
    hostname: options.hostname,
    nodeIPs,
    rootDir,
    kubeletPort: options.kubeletPort ?? 10250,
    kubeletVersion: options.version ?? 'v1.36.0+knit',
    maxPods: options.maxPods ?? 110,
    capacity: options.capacity ?? {},
  };
  const capacity = await nodeCapacity(identity);
  const abort = new AbortController();
  const workers = new Map<string, PodWorker>();
  const prober = createProber(cri, events, (uid) => workers.get(uid)?.wake());
  const context: KubeletContext = {
    client,
    log,
    cri,
    stopping: abort.signal,
    paths,
    events,
    config,
    prober,
    nodeIPs,
    images: createImagePuller(cri, config, events),
    tokens: createTokenSource(client),
    claims: createClaimSource(client),
    restarts: createBackoff(),
    exited: new Map(),
    cgroupParent: options.cgroupParent,
    dns: { servers: options.clusterDNS, domain: options.clusterDomain },
    imagesReady: options.imagesReady ?? Promise.resolve(),
    allocatable: capacity,
    memoryBytes: quantity(capacity.memory),
    otherPods: ({ metadata }) =>
      podInformer.list().filter((other) => other.metadata?.uid !== metadata?.uid && !hasEnded(other.status?.phase)),
    podStarts: options.podStarts ?? (() => Promise.resolve()),
    serviceEnv: (namespace, links) => serviceEnv(serviceInformer.list(), namespace, links),
  };

  const workerOf = (uid: string): PodWorker => {
    const known = workers.get(uid);
    if (known) return known;
    const worker = createPodWorker(context, uid, () => workers.delete(uid));
    workers.set(uid, worker);
    return worker;
  };
  const onPod = (pod: Pod | undefined, old: Pod | undefined) => {
    if (abort.signal.aborted) return;
    const uid = (pod ?? old)?.metadata?.uid ?? '';
    const oldUid = old?.metadata?.uid;
    // Deleted and made anew under the same name, between two looks.
    if (pod && oldUid !== undefined && oldUid !== uid) workers.get(oldUid)?.update(old, true);
    if (pod) workerOf(uid).update(pod, false);
    else workers.get(uid)?.update(old, true);
  };

  const node = startNodeReporter({
    client,
    cri,
    recorder,
    log,
    identity,
    capacity,
    labels: options.labels ?? {},
    taints: options.taints ?? [],
  });
  const lease = startLease(client, nodeName, log);
  const rotation = startLogRotation(cri, paths, log);

  /** Wakes the workers of all pods that are not as they were last seen, and finds pods that nobody knows. */
  const resync = async () => {
    const [sandboxes, containers] = await Promise.all([cri.listPodSandboxes(), cri.listContainers()]);
    const present = groupByPod([...sandboxes, ...containers]);
    // Folders without a pod are left when the runtime has lost its containers, as after a reboot of the machine.
    const known = [...present.keys(), ...(await readdir(paths.pods))];
    for (const uid of known) if (!workers.has(uid)) workerOf(uid).update(undefined, true);
    for (const [uid, worker] of workers) worker.check(present.get(uid) ?? []);
  };
  const running = (async () => {
    await informers.start();
    await Promise.all([podInformer.synced, serviceInformer.synced]);
    podInformer.onChange(onPod);
    await keepFollowing(context, workers, resync, { signal: abort.signal, broke: () => node.wake() });
  })().catch((error: unknown) => {
    if (!abort.signal.aborted) log.error('the kubelet cannot read its pods', { error: messageOf(error) });
  });

  return {
    runtime: createRuntimeView(cri, paths),
    name: nodeName,
    pods: () => podInformer.list(),
    usage: createStats(cri, options.systemCgroup).usage,
    async stop() {
      abort.abort();
      // Of shared informers the pods' listener stays; it wakes nobody who was stopped.
      await Promise.all([options.informers ? undefined : informers.stop(), node.stop(), lease.stop(), rotation.stop()]);
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

interface Following {
  readonly signal: AbortSignal;
  /** Called when the runtime went away. */
  broke(): void;
}

/** {@link follow}, again and again; soon at first, and less often the longer the runtime stays away. */
async function keepFollowing(
  context: KubeletContext,
  workers: ReadonlyMap<string, PodWorker>,
  resync: () => Promise<void>,
  { signal, broke }: Following,
): Promise<void> {
  let waitMs = RECONNECT_MS;
  let complained = false;
  const began = async () => {
    await resync();
    waitMs = RECONNECT_MS;
    complained = false;
  };
  while (!signal.aborted) {
    try {
      await follow(context, workers, began, signal);
    } catch (error) {
      if (signal.aborted) return;
      if (!complained) context.log.warn('the container runtime does not answer', { error: messageOf(error) });
      if (waitMs === RECONNECT_MS) broke();
      complained = true;
    }
    await delay(waitMs, undefined, { signal }).catch(() => undefined);
    waitMs = Math.min(MAX_RECONNECT_MS, waitMs * 1.2);
  }
}

/** Wakes the worker of whatever ends, until the connection to the runtime breaks. */
async function follow(
  { cri, log }: KubeletContext,
  workers: ReadonlyMap<string, PodWorker>,
  resync: () => Promise<void>,
  stopped: AbortSignal,
): Promise<void> {
  const broken = new AbortController();
  const signal = AbortSignal.any([stopped, broken.signal]);
  const listen = async () => {
    for await (const id of cri.exits(signal)) {
      settled(cri, id)
        .then(() => {
          for (const worker of workers.values()) worker.ended(id);
        })
        .catch((error: unknown) => log.warn('cannot see how a container ended', { id, error: messageOf(error) }));
    }
    throw new KnitError('RUNTIME_GONE', 'the runtime ended its event stream');
  };
  const relist = async () => {
    for (;;) {
      await resync();
      await delay(RESYNC_MS, undefined, { signal });
    }
  };
  try {
    await Promise.all([listen(), relist()]);
  } finally {
    broken.abort();
  }
}
