import { existsSync, mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { startNodeMachine } from '../machine/node.ts';
import { machineResolvConf } from '../machine/resolvers.ts';
import type { AgentConfig } from './agent-config.ts';
import { type ClusterConfig, contextName, type NodeConfig, writeFileAtomically } from './config.ts';
import { writeContainerdConfig } from './containerd.ts';
import { ingressEnd } from './overlay.ts';
import { clusterPaths, runtimeRoot } from './paths.ts';
import type { CertificateAuthority } from './pki.ts';
import { placeImages, prepareImages } from './prepared-images.ts';
import { program } from './processes.ts';
import { kubernetesVersion } from './version.ts';

/** Cgroup of a cluster; of its nodes `nodes/NAME` below it. */
export const clusterCgroup = (cluster: string): string => `knit/${cluster}`;
export const nodeCgroup = (cluster: string, node: string): string => `${clusterCgroup(cluster)}/nodes/${node}`;

/** Issues what a node needs to speak to the API server, and to be spoken to. */
export async function issueNodeIdentity(authority: CertificateAuthority, node: NodeConfig): Promise<void> {
  await authority.identity(`node-${node.name}`, {
    commonName: `system:node:${node.name}`,
    organizations: ['system:nodes', 'system:masters'],
    dnsNames: [node.name],
    addresses: [node.address, node.ipv6 ?? []].flat(),
  });
}

/** Starts containerd and the agent of a node, whose network namespace stands and whose identity was issued. */
export async function startNode(config: ClusterConfig, node: NodeConfig): Promise<void> {
  const paths = clusterPaths(config.name).node(node.name);
  for (const folder of [paths.kubelet, paths.cniConf, paths.logs]) mkdirSync(folder, { recursive: true });
  await writeContainerdConfig(paths, config.spec);
  await placeShippedImages(config.name, paths.containerdRoot);
  writeFileAtomically(paths.agentConfig, JSON.stringify(agentConfig(config, node), undefined, 2));
  await startNodeMachine({
    prefix: contextName(config.name),
    name: node.name,
    runtime: paths.runtime,
    cgroup: nodeCgroup(config.name, node.name),
    runtimeRoot,
    resolvConf: resolvConf(config),
    processes: [
      {
        command: ['containerd', '--config', paths.containerdConfig, '--log-level', 'warn'],
        log: join(paths.logs, 'containerd.log'),
      },
      { command: program('agent', [paths.agentConfig], agentFlags), log: join(paths.logs, 'agent.log') },
    ],
  });
}

let prepared: Promise<string> | undefined;

/** Where it fails (a full disk, `dist` not to be written), the node's agent loads them. */
async function placeShippedImages(cluster: string, containerdRoot: string): Promise<void> {
  if (existsSync(containerdRoot)) return;
  prepared ??= prepareImages(cluster, `${clusterCgroup(cluster)}/images`);
  try {
    await placeImages(await prepared, containerdRoot);
  } catch {
    prepared = undefined;
    rmSync(containerdRoot, { recursive: true, force: true });
  }
}

/** A small young generation: idle memory counts, three times and more. */
const agentFlags = ['--max-semi-space-size=2'];

function agentConfig(config: ClusterConfig, node: NodeConfig): AgentConfig {
  const paths = clusterPaths(config.name);
  const nodePaths = paths.node(node.name);
  return {
    cluster: config.name,
    node: { name: node.name, addresses: [node.address, node.ipv6 ?? []].flat(), labels: node.labels },
    server: `https://${config.addresses.fabric}:6443`,
    ca: join(paths.pki, 'ca.crt'),
    cert: join(paths.pki, `node-${node.name}.crt`),
    key: join(paths.pki, `node-${node.name}.key`),
    criSocket: nodePaths.containerdSocket,
    criRoot: nodePaths.containerdRoot,
    kubeletRoot: nodePaths.kubelet,
    cgroupParent: `/${nodeCgroup(config.name, node.name)}/pods`,
    systemCgroup: `${nodeCgroup(config.name, node.name)}/system`,
    cniConf: nodePaths.cniConf,
    podCIDRs: [config.addresses.podCIDR, config.addresses.ipv6?.podCIDR ?? []].flat(),
    ...(config.spec.network.podNetwork === 'vxlan' ? { overlayEnds: [ingressEnd(config)] } : {}),
    nodeCIDRs: [config.addresses.nodeCIDR, config.addresses.ipv6?.nodeCIDR ?? []].flat(),
    clusterDNS: config.addresses.dns,
    clusterDomain: config.spec.dns.domain,
    proxyMode: config.spec.proxy.mode,
    version: kubernetesVersion,
  };
}

/** Who is asked for names that are not the cluster's: the uplink, whose third address answers DNS, or whom the machine asks. */
function resolvConf(config: ClusterConfig): string {
  const { uplink } = config.spec.network;
  if (uplink === 'nat') return machineResolvConf();
  return uplink === 'user' ? `nameserver ${uplinkResolver(config)}\n` : '';
}

function uplinkResolver(config: ClusterConfig): string {
  return config.addresses.uplinkCIDR.replace(/\.0\/\d+$/, '.3');
}
