import { rmSync } from 'node:fs';
import { nodes } from '../api/resource.ts';
import { addressAt, indexOf, parseCIDR } from '../base/cidr.ts';
import { KnitError } from '../base/errors.ts';
import { waitFor } from '../base/wait.ts';
import { isNotFound } from '../client/client.ts';
import { addNodeLink, cutNodeLink, removeNodeLink, restoreNodeLink } from '../machine/fabric.ts';
import { killNodeMachine } from '../machine/node.ts';
import { firstNode } from './addresses.ts';
import { type ClusterConfig, type NodeConfig, readConfig, writeConfig } from './config.ts';
import { fabricSpec } from './fabric.ts';
import { withLock } from './lock.ts';
import { issueNodeIdentity, nodeIdentities, startNode } from './node.ts';
import { clusterPaths } from './paths.ts';
import { filesOf } from './pki-files.ts';
import { adminClient, isReady } from './ready.ts';
import { isRunning, nodeCgroup, nodeOf, runningConfig } from './running.ts';
import { cancelShutdown, shutDownNode } from './shutdown.ts';
import { checkNodeSpec } from './spec.ts';

/** Adds a node to a running cluster and waits until it is Ready. Throws `NODE_EXISTS`, `CLUSTER_STOPPED`. */
export async function addNode(
  cluster: string,
  asked: { name?: string; labels: Record<string, string> },
): Promise<NodeConfig> {
  return await withLock(cluster, async () => {
    const config = runningConfig(cluster);
    const node = placeNode(config, asked);
    checkNodeSpec({ name: node.name, labels: node.labels });
    const { CertificateAuthority } = await import('./pki.ts');
    await issueNodeIdentity(await CertificateAuthority.open(clusterPaths(cluster).pki), config, node);
    const grown = { ...config, nodes: [...config.nodes, node] };
    try {
      await addNodeLink(fabricSpec(grown), node);
      writeConfig(grown);
      await startNode(grown, node);
      await untilNodeReady(grown, node.name);
      return node;
    } catch (error) {
      await removeNode(config, node.name);
      throw error;
    }
  });
}

/**
 * Ends a node; its state stays. Its pods have the time that was chosen for a shutdown; where none was, or `now` is asked
 * for, it is a power cut.
 */
export async function stopNode(cluster: string, name: string, { now = false } = {}): Promise<void> {
  // Without the lock, which nobody holds for minutes: whoever ends the cluster meanwhile ends this too.
  if (!now) {
    const config = readConfig(cluster);
    const node = nodeOf(config, name);
    await shutDownNode(config, node, clusterPaths(cluster).node(name), () => isRunning(cluster, name));
  }
  await withLock(cluster, async () => {
    const config = readConfig(cluster);
    const node = nodeOf(config, name);
    await cutNodeLink(fabricSpec(config), node);
    await killNodeMachine(nodeCgroup(cluster, name));
  });
}

/** Starts a node that was stopped, and waits until it is Ready. */
export async function startStoppedNode(cluster: string, name: string): Promise<void> {
  await withLock(cluster, async () => {
    const config = runningConfig(cluster);
    const node = nodeOf(config, name);
    if (isRunning(cluster, name)) return cancelShutdown(clusterPaths(cluster).node(name));
    await restoreNodeLink(fabricSpec(config), node);
    await startNode(config, node);
    await untilNodeReady(config, name);
  });
}

/** Takes a node out of the cluster, and all of it off this machine. Its pods are made anew elsewhere. */
export async function deleteNode(cluster: string, name: string): Promise<void> {
  await withLock(cluster, async () => {
    const config = runningConfig(cluster);
    nodeOf(config, name);
    await removeNode(config, name);
  });
}

/** Removes whatever there is of a node. */
async function removeNode(config: ClusterConfig, name: string): Promise<void> {
  await killNodeMachine(nodeCgroup(config.name, name));
  const smaller = { ...config, nodes: config.nodes.filter((node) => node.name !== name) };
  await removeNodeLink(fabricSpec(smaller), name);
  writeConfig(smaller);
  await deleteNodeObject(config, name);
  const paths = clusterPaths(config.name);
  for (const folder of [paths.node(name).state, paths.node(name).runtime, paths.node(name).logs])
    rmSync(folder, { recursive: true, force: true });
  for (const identity of Object.values(nodeIdentities(name))) {
    for (const file of Object.values(filesOf(paths.pki, identity))) rmSync(file, { force: true });
  }
}

/** The first free name and address. */
function placeNode(config: ClusterConfig, asked: { name?: string; labels: Record<string, string> }): NodeConfig {
  const names = new Set(config.nodes.map((node) => node.name));
  if (asked.name && names.has(asked.name)) {
    throw new KnitError('NODE_EXISTS', `there is a node named ${asked.name} already`, 'choose another name');
  }
  const nodeCIDR = parseCIDR(config.addresses.nodeCIDR);
  const { ipv6 } = config.addresses;
  const taken = new Set(config.nodes.map((node) => indexOf(nodeCIDR, node.address)));
  const place = firstFree((index) => !taken.has(firstNode + index));
  return {
    name: asked.name ?? `node-${firstFree((index) => !names.has(`node-${index + 1}`)) + 1}`,
    labels: asked.labels,
    address: addressAt(nodeCIDR, firstNode + place),
    outsideAddress: addressAt(parseCIDR(config.addresses.outsideCIDR), firstNode + place),
    ...(ipv6 ? { ipv6: addressAt(parseCIDR(ipv6.nodeCIDR), firstNode + place) } : {}),
  };
}

function firstFree(isFree: (index: number) => boolean): number {
  let index = 0;
  while (!isFree(index)) index++;
  return index;
}

async function untilNodeReady(config: ClusterConfig, name: string): Promise<void> {
  const { client, close } = adminClient(config);
  const startedAt = Date.now();
  try {
    await waitFor(
      async () => {
        const node = await client.get(nodes, { name });
        const heartbeat = node.status?.conditions?.find((each) => each.type === 'Ready')?.lastHeartbeatTime;
        // A node that comes back may still be called ready from before.
        return isReady(node) && Date.parse(heartbeat ?? '') >= startedAt - 1000;
      },
      { what: `the node ${name}`, timeoutMs: 60_000, intervalMs: 50 },
    );
  } finally {
    await close();
  }
}

async function deleteNodeObject(config: ClusterConfig, name: string): Promise<void> {
  const { client, close } = adminClient(config);
  try {
    await client.delete(nodes, { name });
  } catch (error) {
    if (!isNotFound(error)) throw error;
  } finally {
    await close();
  }
}
