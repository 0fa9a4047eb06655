import { readdir, rename, rm, stat } from 'node:fs/promises';
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { messageOf } from '../base/errors.ts';
import type { Log } from '../base/log.ts';
import type { Running } from '../base/running.ts';
import { type CriClient, isRuntimeNotFound } from './cri/client.ts';
import { containerState } from './cri/messages.ts';
import { label } from './labels.ts';
import type { KubeletPaths } from './paths.ts';

/** The kubelet's `containerLogMaxSize`, `containerLogMaxFiles` and `containerLogMonitorInterval`. */
const MAX_BYTES = 10 * 1024 * 1024;
const MAX_FILES = 5;
const LOOK_MS = 10_000;

/** Keeps the logs of running containers from growing without end. */
export function startLogRotation(cri: CriClient, paths: KubeletPaths, log: Log): Running {
  const abort = new AbortController();
  const { signal } = abort;
  const running = (async () => {
    while (!signal.aborted) {
      await delay(LOOK_MS, undefined, { signal, ref: false }).catch(() => undefined);
      if (signal.aborted) return;
      // Where the runtime does not answer nobody writes logs either.
      await rotateLogs(cri, paths).catch((error: unknown) => {
        if (!signal.aborted) log.warn('cannot rotate logs', { error: messageOf(error) });
      });
    }
  })();
  return {
    async stop() {
      abort.abort();
      await running;
    },
  };
}

export async function rotateLogs(cri: CriClient, paths: KubeletPaths, maxBytes = MAX_BYTES): Promise<void> {
  for (const container of await cri.listContainers()) {
    const { [label.podNamespace]: namespace, [label.podName]: pod, [label.podUid]: uid } = container.labels;
    if (container.state !== containerState.running || !namespace || !pod || !uid) continue;
    const name = container.labels[label.containerName] ?? '';
    const file = path.join(
      paths.podLogs(namespace, pod, uid),
      paths.containerLog(name, container.metadata?.attempt ?? 0),
    );
    if ((await sizeOf(file)) >= maxBytes) await rotate(cri, container.id, file);
  }
}

/** `0.log` becomes `0.log.20260131-130559`, and the runtime opens a new one. */
async function rotate(cri: CriClient, containerId: string, file: string): Promise<void> {
  const time = new Date().toISOString().slice(0, 19).replace(/[-:]/g, '').replace('T', '-');
  await rename(file, `${file}.${time}`);
  try {
    await cri.reopenContainerLog(containerId);
  } catch (error) {
    // It has ended meanwhile: what it wrote stays where readers look for it.
    await rename(`${file}.${time}`, file);
    if (!isRuntimeNotFound(error)) throw error;
  }
  const names = await readdir(path.dirname(file));
  const rotated = names.filter((name) => name.startsWith(`${path.basename(file)}.`)).sort();
  for (const name of rotated.slice(0, Math.max(0, rotated.length - (MAX_FILES - 1)))) {
    await rm(path.join(path.dirname(file), name), { force: true });
  }
}

async function sizeOf(file: string): Promise<number> {
  try {
    return (await stat(file)).size;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return 0;
    throw error;
  }
}
