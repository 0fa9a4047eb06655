import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { ClusterConfig } from './config.ts';
import { clusterPaths } from './paths.ts';

/** So many last lines of each log are told. */
const longest = 3;

/** The last warnings and errors of a cluster's processes, one a line, for an error that is about to undo it all. */
export function complaints(config: ClusterConfig): string[] {
  const { logs } = clusterPaths(config.name);
  const files = ['server.log', ...config.nodes.flatMap(({ name }) => [`${name}/agent.log`, `${name}/containerd.log`])];
  return files.flatMap((file) => lastComplaints(join(logs, file)).map((line) => `${file}: ${line}`));
}

function lastComplaints(path: string): string[] {
  if (!existsSync(path)) return [];
  const lines = readFileSync(path, 'utf8').split('\n');
  return lines.filter((line) => / (WARN|ERROR) |level=(error|fatal)|Error:|keeper:/.test(line)).slice(-longest);
}
