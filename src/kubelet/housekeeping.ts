import { setTimeout as delay } from 'node:timers/promises';
import type { Pod } from '../api/types.ts';
import type { Running } from '../base/running.ts';
import type { EventRecorder } from '../client/events.ts';
import type { KubeletContext } from './context.ts';
import type { CriClient } from './cri/client.ts';
import { containerState } from './cri/messages.ts';
import { label } from './labels.ts';
import { nodeReference, type Pressure } from './node-status.ts';
import type { PodWorker } from './pod-worker.ts';
import { quantity, type ResourceList } from './resources.ts';
import type { ResolvedSettings } from './settings.ts';

export interface HousekeepingOptions {
  readonly kubelet: KubeletContext;
  readonly recorder: EventRecorder;
  readonly settings: ResolvedSettings;
  readonly nodeName: string;
  readonly imageFolder: string;
  readonly capacity: ResourceList;
  readonly workers: ReadonlyMap<string, PodWorker>;
  pods(): readonly Pod[];
  /** Called when what the node runs short of has changed. */
  pressures(pressures: ReadonlySet<Pressure>): void;
}

/** A node that has just begun has other things to do. */
const FIRST_LOOK_MS = 10_000;

/** What keeps a node's memory and disks from running out; its code is read when the node has begun. */
export function startHousekeeping(options: HousekeepingOptions): Running {
  const abort = new AbortController();
  const started = (async () => {
    await delay(FIRST_LOOK_MS, undefined, { signal: abort.signal, ref: false });
    return await keepHouse(options);
  })().catch((error: unknown) => {
    if (!abort.signal.aborted) options.kubelet.log.error('cannot watch over the node', { error });
    return [];
  });
  return {
    async stop() {
      abort.abort();
      for (const each of await started) await each.stop();
    },
  };
}

async function keepHouse(options: HousekeepingOptions): Promise<Running[]> {
  const { kubelet, settings, capacity, imageFolder, recorder, nodeName, workers } = options;
  const { cri, log, paths, cgroupParent } = kubelet;
  const [{ startEviction }, { startImageGC }, { measureUsage }] = await Promise.all([
    import('./eviction/index.ts'),
    import('./image-gc.ts'),
    import('./eviction/usage.ts'),
  ]);
  const node = nodeReference(nodeName);
  const tell = (type: 'Normal' | 'Warning', reason: string, message: string) =>
    recorder.event(node, type, reason, message);
  const images = startImageGC({ cri, settings, imageFolder, tell });
  const measured = { cri, paths, cgroupParent };
  const running = () => options.pods().filter((pod) => workers.get(uidOf(pod))?.isOver === false);
  const reserved = quantity(settings.systemReserved.memory) + quantity(settings.kubeReserved.memory);
  const eviction = startEviction({
    log,
    settings,
    measured,
    sources: {
      nodeFolder: paths.root,
      imageFolder,
      podsMemoryBytes: quantity(capacity.memory) - reserved,
      async podsWorkingSet() {
        const pods = running();
        const usage = await measureUsage(pods, 'memory', measured);
        return pods.reduce((sum, pod) => sum + (usage(pod)?.total ?? 0), 0);
      },
    },
    pods: running,
    async evict(pod, why) {
      kubelet.events.pod(pod, 'Warning', why.reason, why.message);
      await workers.get(uidOf(pod))?.evict(why);
    },
    conditions: (conditions) => options.pressures(new Set(conditions)),
    reclaiming: (resource) => tell('Warning', 'EvictionThresholdMet', `Attempting to reclaim ${resource}`),
    async freeDisk() {
      await removeEndedContainers(cri, workers);
      await images.removeUnused();
      await cri.collectGarbage();
    },
  });
  return [eviction, images];
}

/** What containers of pods that have ended have written, and their images where nobody else uses them, are free then. */
async function removeEndedContainers(cri: CriClient, workers: ReadonlyMap<string, PodWorker>): Promise<void> {
  const containers = await cri.listContainers();
  const ended = containers.filter(
    ({ labels, state }) => state === containerState.exited && workers.get(labels[label.podUid] ?? '')?.isOver,
  );
  await Promise.all(ended.map(({ id }) => cri.removeContainer(id)));
}

const uidOf = (pod: Pod): string => pod.metadata?.uid ?? '';
