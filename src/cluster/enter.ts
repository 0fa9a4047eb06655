import { pods } from '../api/resource.ts';
import { KnitError } from '../base/errors.ts';
import { processesIn } from '../kernel/cgroup.ts';
import { netnsFolder } from '../kernel/netns.ts';
import { podCgroup } from '../kubelet/resources.ts';
import { clientNetns } from '../machine/fabric.ts';
import { enterNode } from '../machine/node.ts';
import { type ClusterConfig, contextName } from './config.ts';
import { clusterPaths } from './paths.ts';
import { nodeCgroup } from './running.ts';

/**
 * The command line that runs a command in the network of `node/NAME`, `client/NAME` or `pod/[NAMESPACE/]NAME`, put
 * before that command. The command itself is one of this machine, so pods need no tools. Throws `TARGET_UNKNOWN`.
 */
export async function enterTarget(config: ClusterConfig, target: string): Promise<string[]> {
  const [kind, ...rest] = target.split('/');
  const [name = '', second] = rest;
  if (kind === 'node' && rest.length === 1) return enterNodeTarget(config, name);
  if (kind === 'client' && rest.length === 1) return enterClient(config, name);
  if (kind === 'pod' && rest.length === 1) return await enterPod(config, 'default', name);
  if (kind === 'pod' && rest.length === 2) return await enterPod(config, name, second ?? '');
  throw new KnitError(
    'TARGET_UNKNOWN',
    `${target} names nothing`,
    'write node/NAME, client/NAME, pod/NAME or pod/NAMESPACE/NAME',
  );
}

/** Into all namespaces of a node. Throws `TARGET_UNKNOWN`, `NODE_STOPPED`. */
export function enterNodeTarget(config: ClusterConfig, name: string): string[] {
  refuseUnknown(
    'node',
    name,
    config.nodes.map((node) => node.name),
  );
  const enter =
    processesIn(nodeCgroup(config.name, name)).length > 0 && enterNode(clusterPaths(config.name).node(name).runtime);
  if (!enter) throw new KnitError('NODE_STOPPED', `the node ${name} does not run`, `run: knit node start ${name}`);
  return ['nsenter', ...enter];
}

function enterClient(config: ClusterConfig, name: string): string[] {
  refuseUnknown(
    'client',
    name,
    config.clients.map((client) => client.name),
  );
  return ['nsenter', `--net=${netnsFolder}/${clientNetns(contextName(config.name), name)}`];
}

/** By one of the pod's processes. */
async function enterPod(config: ClusterConfig, namespace: string, name: string): Promise<string[]> {
  // Who enters nodes and clients need not load what speaks to the API server.
  const { adminClient } = await import('./ready.ts');
  const { client, close } = adminClient(config);
  try {
    const pod = await client.get(pods, { namespace, name });
    const node = pod.spec?.nodeName ?? '';
    const pid = processesIn(podCgroup(`${nodeCgroup(config.name, node)}/pods`, pod))[0];
    if (!pid)
      throw new KnitError(
        'POD_NOT_RUNNING',
        `pod ${namespace}/${name} has no process yet`,
        'see why: knit kubectl describe pod',
      );
    return enterPodProcess(pid);
  } finally {
    await close();
  }
}

/** Into a pod's network by one of its processes, with the pod's own `resolv.conf`: names mean what they mean in it. */
export function enterPodProcess(pid: number): string[] {
  // A copy: a file of another mount namespace cannot be bound here. Its mount outlives its name.
  const script =
    'f=$(mktemp) && cat "/proc/$1/root/etc/resolv.conf" >"$f" && mount --bind "$f" /etc/resolv.conf && rm "$f"; shift; exec "$@"';
  return ['nsenter', `--net=/proc/${pid}/ns/net`, 'unshare', '--mount', 'sh', '-c', script, 'sh', String(pid)];
}

function refuseUnknown(kind: string, name: string, known: readonly string[]): void {
  if (known.includes(name)) return;
  throw new KnitError('TARGET_UNKNOWN', `there is no ${kind} named ${name}`, `there is: ${known.join(', ')}`);
}
