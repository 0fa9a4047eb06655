import { existsSync, readdirSync, rmdirSync, rmSync } from 'node:fs';
import { messageOf } from '../base/errors.ts';
import { killCgroup, removeCgroup } from '../kernel/cgroup.ts';
import { removeFabric } from '../machine/fabric.ts';
import { closeHostNat } from '../machine/host-nat.ts';
import { removeCniCache } from '../machine/node.ts';
import { contextName } from './config.ts';
import { removeFromKubeconfig } from './kubeconfig.ts';
import { withLock } from './lock.ts';
import { clusterPaths, forwardingRecords, runtimeRoot, stateRoot } from './paths.ts';
import type { Progress } from './progress.ts';
import { clusterCgroup } from './running.ts';

export interface DownOptions {
  readonly name: string;
  /** Leave the state, so that `up` starts the same cluster again. */
  readonly keep: boolean;
  readonly progress: Progress;
}

/** Ends a cluster and removes all that it has on this machine, also what a crash left. Does nothing where nothing is. */
export async function down({ name, keep, progress }: DownOptions): Promise<void> {
  const paths = clusterPaths(name);
  const wasHere = existsSync(paths.state) || existsSync(paths.runtime);
  await withLock(name, async () => {
    await progress.step(keep ? 'Stopping' : 'Removing', async () => {
      await removeRuntime(name);
      if (!keep) removeState(name);
    });
    if (!keep) await removeContext(name, progress);
    if (!wasHere) progress.note(`nothing of a cluster named ${name} was here`);
  });
  removeEmptyFolder(runtimeRoot);
}

/** The cluster is gone by now: a kubeconfig that cannot be read does not change that. */
async function removeContext(name: string, progress: Progress): Promise<void> {
  try {
    await removeFromKubeconfig(name);
  } catch (error) {
    progress.note(`the context ${contextName(name)} could not be removed: ${messageOf(error)}`);
  }
}

/** Ends every process and takes away namespaces, links, mounts, cgroups and run-time files. */
export async function removeRuntime(name: string): Promise<void> {
  await killCgroup(clusterCgroup(name));
  const prefix = contextName(name);
  await closeHostNat({ prefix, records: forwardingRecords });
  await Promise.all([removeFabric(prefix), removeCgroup(clusterCgroup(name))]);
  const paths = clusterPaths(name);
  for (const part of ['nodes', 'server', 'uplink', 'images', 'ingress'])
    rmSync(`${paths.runtime}/${part}`, { recursive: true, force: true });
  if (othersRun(name)) return;
  removeCniCache();
}

export function removeState(name: string): void {
  rmSync(clusterPaths(name).state, { recursive: true, force: true });
  removeEmptyFolder(stateRoot);
}

function othersRun(name: string): boolean {
  return (
    existsSync(runtimeRoot) &&
    readdirSync(runtimeRoot).some((other) => other !== name && existsSync(`${runtimeRoot}/${other}/nodes`))
  );
}

function removeEmptyFolder(folder: string): void {
  if (existsSync(folder) && readdirSync(folder).length === 0) rmdirSync(folder);
}
