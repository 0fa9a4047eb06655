import { KnitError } from '../base/errors.ts';
import { processesIn } from '../kernel/cgroup.ts';
import { type ClusterConfig, type NodeConfig, readConfig } from './config.ts';

/** Cgroups by which a cluster's processes are known. */
export const clusterCgroup = (cluster: string): string => `knit/${cluster}`;
export const nodeCgroup = (cluster: string, node: string): string => `${clusterCgroup(cluster)}/nodes/${node}`;

/** The configuration of a cluster that runs. */
export function runningConfig(cluster: string): ClusterConfig {
  const config = readConfig(cluster);
  if (processesIn(`${clusterCgroup(cluster)}/server`).length > 0) return config;
  throw new KnitError(
    'CLUSTER_STOPPED',
    `the cluster ${cluster} does not run`,
    cluster === 'knit' ? 'run: knit up' : `run: knit up --name ${cluster}`,
  );
}

export function isRunning(cluster: string, node: string): boolean {
  return processesIn(`${nodeCgroup(cluster, node)}/system`).length > 0;
}

/** Throws `NODE_UNKNOWN`. */
export function nodeOf(config: ClusterConfig, name: string): NodeConfig {
  const found = config.nodes.find((node) => node.name === name);
  if (found) return found;
  throw new KnitError(
    'NODE_UNKNOWN',
    `there is no node named ${name}`,
    `there is: ${config.nodes.map((node) => node.name).join(', ')}`,
  );
}
