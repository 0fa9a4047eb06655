import { watch } from 'node:fs/promises';
import { setTimeout as delay } from 'node:timers/promises';
import { nodes, pods as podResource } from '../../api/resource.ts';
import type { Pod } from '../../api/types.ts';
import { messageOf } from '../../base/errors.ts';
import type { Log } from '../../base/log.ts';
import type { Running } from '../../base/running.ts';
import { type Client, isAlreadyExists, isNotFound } from '../../client/client.ts';
import { configAnnotation, mirroredHash, readManifests } from './manifests.ts';

export interface StaticPodsOptions {
  readonly client: Client;
  readonly log: Log;
  /** Where the manifests are. */
  readonly folder: string;
  readonly nodeName: string;
  /** What the API server has of the node's pods. */
  pods(): readonly Pod[];
  /** Runs a pod, or ends one that is gone. */
  update(pod: Pod, gone: boolean): void;
  /** The API server has a new mirror, which knows nothing of the pod's state. */
  mirrored(pod: Pod): void;
}

export interface StaticPods extends Running {
  list(): readonly Pod[];
  /** To be called when mirrors have changed. */
  wake(): void;
}

/** The kubelet's `fileCheckFrequency`. */
const LOOK_MS = 20_000;
/** An editor writes a file in several steps. */
const SETTLE_MS = 50;

/**
 * Runs the pods of a folder's manifests, and keeps a mirror of each on the API server, so that they can be seen and
 * count as users of the node. Whoever deletes a mirror gets another one; the pod goes with its manifest.
 * Resolves when the manifests were read once.
 */
export async function startStaticPods(options: StaticPodsOptions): Promise<StaticPods> {
  const { folder, nodeName, log } = options;
  const abort = new AbortController();
  const { signal } = abort;
  const current = new Map<string, Pod>();
  let nudge = Promise.withResolvers<void>();
  const wake = () => nudge.resolve();

  const read = async () => {
    const found = new Map((await readManifests(folder, nodeName, log)).map((pod) => [pod.metadata?.uid ?? '', pod]));
    for (const [uid, pod] of current) {
      if (found.has(uid)) continue;
      current.delete(uid);
      options.update(pod, true);
    }
    for (const [uid, pod] of found) {
      if (current.has(uid)) continue;
      current.set(uid, pod);
      options.update(pod, false);
    }
  };
  await read().catch((error: unknown) => log.warn('cannot read static pods yet', { error: messageOf(error) }));
  const running = (async () => {
    while (!signal.aborted) {
      try {
        await read();
        await reconcileMirrors(options, current);
      } catch (error) {
        if (!signal.aborted) log.warn('cannot keep static pods and their mirrors yet', { error: messageOf(error) });
      }
      await Promise.race([delay(LOOK_MS, undefined, { signal, ref: false }).catch(() => undefined), nudge.promise]);
      nudge = Promise.withResolvers();
    }
  })();
  void follow(folder, signal, wake);
  return {
    list: () => [...current.values()],
    wake,
    async stop() {
      abort.abort();
      wake();
      await running;
    },
  };
}

/** Tells of changes in a folder as they happen; where it cannot be watched, or is not there yet, looks must do. */
async function follow(folder: string, signal: AbortSignal, changed: () => void): Promise<void> {
  try {
    for await (const _ of watch(folder, { signal })) {
      await delay(SETTLE_MS, undefined, { signal, ref: false });
      changed();
    }
  } catch {
    // It ends with the kubelet, or with the folder.
  }
}

async function reconcileMirrors(options: StaticPodsOptions, current: ReadonlyMap<string, Pod>): Promise<void> {
  const { client } = options;
  const kept = new Set<string>();
  for (const mirror of options.pods()) {
    const hash = mirroredHash(mirror);
    if (hash === undefined) continue;
    const { name = '', namespace = '', uid, deletionTimestamp } = mirror.metadata ?? {};
    if (current.has(hash) && deletionTimestamp === undefined) {
      kept.add(hash);
      continue;
    }
    await client
      .delete(podResource, { name, namespace }, { gracePeriodSeconds: 0, preconditions: { uid } })
      .catch((error: unknown) => {
        if (!isNotFound(error)) throw error;
      });
  }
  for (const [uid, pod] of current) if (!kept.has(uid)) await createMirror(options, pod);
}

async function createMirror({ client, nodeName, mirrored }: StaticPodsOptions, pod: Pod): Promise<void> {
  const { metadata: node } = await client.get(nodes, { name: nodeName });
  const { uid: _, ...metadata } = pod.metadata ?? {};
  const owner = { apiVersion: 'v1', kind: 'Node', name: nodeName, uid: node?.uid ?? '', controller: true };
  const annotations = { ...metadata.annotations, [configAnnotation.mirror]: pod.metadata?.uid ?? '' };
  try {
    await client.create(podResource, { ...pod, metadata: { ...metadata, annotations, ownerReferences: [owner] } });
    mirrored(pod);
  } catch (error) {
    if (!isAlreadyExists(error)) throw error;
  }
}
