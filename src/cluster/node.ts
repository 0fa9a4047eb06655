import { existsSync, mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { urlHost } from '../base/cidr.ts';
import { startNodeMachine } from '../machine/node.ts';
import { machineResolvConf } from '../machine/resolvers.ts';
import type { AgentConfig } from './agent-config.ts';
import {
  apiAddressOf,
  type ClusterConfig,
  contextName,
  familiesOf,
  type NodeConfig,
  nodeAddressesOf,
  writeFileAtomically,
} from './config.ts';
import { writeContainerdConfig } from './containerd.ts';
import { dividedLabels } from './node-labels.ts';
import { networkIdentity } from './node-network.ts';
import { ingressEnd } from './overlay.ts';
import { clusterPaths, runtimeRoot } from './paths.ts';
import type { CertificateAuthority } from './pki.ts';
import { filesOf } from './pki-files.ts';
import { placeImages, prepareImages } from './prepared-images.ts';
import { program } from './processes.ts';
import { clusterCgroup, nodeCgroup } from './running.ts';
import { cancelShutdown } from './shutdown.ts';
import { kubernetesVersion } from './version.ts';

/** Names of a node's certificates: of its kubelet, and of its network's parts. */
export const nodeIdentities = (node: string) => ({ kubelet: `kubelet-${node}`, network: `network-${node}` });

/** Issues what a node needs to speak to the API server, and to be spoken to. */
export async function issueNodeIdentity(
  authority: CertificateAuthority,
  config: ClusterConfig,
  node: NodeConfig,
): Promise<void> {
  const { kubelet, network } = nodeIdentities(node.name);
  await Promise.all([
    authority.identity(kubelet, {
      commonName: `system:node:${node.name}`,
      organizations: ['system:nodes'],
      dnsNames: [node.name],
      addresses: nodeAddressesOf(config, node),
    }),
    authority.identity(network, networkIdentity(node.name)),
  ]);
}

/** Starts containerd and the agent of a node, whose network namespace stands and whose identity was issued. */
export async function startNode(config: ClusterConfig, node: NodeConfig): Promise<void> {
  const paths = clusterPaths(config.name).node(node.name);
  for (const folder of [paths.kubelet, paths.cniConf, paths.logs]) mkdirSync(folder, { recursive: true });
  cancelShutdown(paths);
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
  const { kubelet, network } = nodeIdentities(node.name);
  return {
    cluster: config.name,
    node: {
      name: node.name,
      addresses: nodeAddressesOf(config, node),
      labels: dividedLabels(node.labels).own,
    },
    server: `https://${urlHost(apiAddressOf(config))}:6443`,
    ca: join(paths.pki, 'ca.crt'),
    kubeletIdentity: filesOf(paths.pki, kubelet),
    networkIdentity: filesOf(paths.pki, network),
    criSocket: nodePaths.containerdSocket,
    criRoot: nodePaths.containerdRoot,
    kubeletRoot: nodePaths.kubelet,
    logs: nodePaths.logs,
    cgroupParent: `/${nodeCgroup(config.name, node.name)}/pods`,
    systemCgroup: `${nodeCgroup(config.name, node.name)}/system`,
    cniConf: nodePaths.cniConf,
    shutdown: nodePaths.shutdown,
    podCIDRs: familiesOf(config).map(({ podCIDR }) => podCIDR),
    ...(config.spec.network.podNetwork === 'vxlan' ? { overlayEnds: [ingressEnd(config)] } : {}),
    nodeCIDRs: familiesOf(config).map(({ nodeCIDR }) => nodeCIDR),
    clusterDNS: config.addresses.dns,
    clusterDomain: config.spec.dns.domain,
    proxyMode: config.spec.proxy.mode,
    kubelet: { ...config.spec.kubelet, ...node.kubelet },
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
