import { existsSync, rmSync, statSync, watch, writeFileSync } from 'node:fs';
import { basename, dirname } from 'node:path';
import { messageOf } from '../base/errors.ts';
import type { Log } from '../base/log.ts';
import type { Running } from '../base/running.ts';
import { waitFor } from '../base/wait.ts';
import type { Kubelet } from '../kubelet/index.ts';
import { resolveSettings } from '../kubelet/settings.ts';
import { longestShutdown, shutdownPeriods } from '../kubelet/shutdown/periods.ts';
import { readShutdownRecord } from '../kubelet/shutdown/record.ts';
import type { ClusterConfig, NodeConfig } from './config.ts';
import type { NodePaths } from './paths.ts';

// A node has no logind that a kubelet could ask. What tells its agent that the node is about to go is a file: an agent
// that is started again in the middle of it sees it too.

/** What a kubelet may take longer than its periods, to write down that it is done. */
const EXTRA_MS = 5_000;

/**
 * Lets a running node's pods end in the periods that were chosen, and resolves when they have, or when their time is
 * over. Resolves at once where none was chosen, and where the node ends meanwhile.
 */
export async function shutDownNode(
  config: ClusterConfig,
  node: NodeConfig,
  paths: NodePaths,
  isRunning: () => boolean,
): Promise<void> {
  const periods = shutdownPeriods(resolveSettings({ ...config.spec.kubelet, ...node.kubelet }));
  if (periods.length === 0 || !isRunning()) return;
  if (!existsSync(paths.shutdown)) writeFileSync(paths.shutdown, '');
  const asked = statSync(paths.shutdown).mtimeMs;
  const isOver = () => !isRunning() || (readShutdownRecord(paths.kubelet).endTime ?? 0) >= asked;
  const timeoutMs = longestShutdown(periods) + EXTRA_MS;
  await waitFor(isOver, { what: `the pods of ${node.name} to end`, timeoutMs }).catch(() => undefined);
}

/** The node stays, or begins anew. */
export const cancelShutdown = (paths: NodePaths): void => rmSync(paths.shutdown, { force: true });

/** The agent's side of it. */
export function watchForShutdown(
  file: string,
  kubelet: Pick<Kubelet, 'shutDown' | 'cancelShutdown'>,
  log: Log,
): Running {
  let isComing = false;
  const look = () => {
    if (existsSync(file) === isComing) return;
    isComing = !isComing;
    if (isComing)
      kubelet
        .shutDown()
        .catch((error: unknown) => log.error('cannot end the node’s pods', { error: messageOf(error) }));
    else kubelet.cancelShutdown();
  };
  const watcher = watch(dirname(file), { persistent: false }, (_, name) => {
    if (name === basename(file)) look();
  });
  look();
  return { stop: async () => watcher.close() };
}
