import { mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { type CIDR, parseCIDR } from '../base/cidr.ts';
import { KnitError } from '../base/errors.ts';
import type { AddressPool } from '../edge/loadbalancer/addresses.ts';
import type { KubeletSettings } from '../kubelet/index.ts';
import { defaultLoadBalancerCIDR, ingressAddress } from './addresses.ts';
import { clusterPaths } from './paths.ts';
import type { ClusterSpec } from './spec.ts';

/** Raised when the form of a cluster's state changes; `migrations` in this file lead from each to the next. */
export const stateVersion = 2;

/** What takes a cluster's state from a version to the next one. */
const migrations: Readonly<Record<number, (config: ClusterConfig) => ClusterConfig>> = { 1: withLoadBalancers };

/** A cluster as it was made: its specification with every choice taken. Stands in `cluster.json`. */
export interface ClusterConfig {
  readonly stateVersion: number;
  readonly name: string;
  readonly createdAt: string;
  readonly spec: ClusterSpec;
  readonly addresses: ClusterAddresses;
  readonly apiPort: number;
  readonly nodes: readonly NodeConfig[];
  readonly clients: readonly ClientConfig[];
}

/** Networks in CIDR form and single addresses, none of which overlaps another cluster's or the machine's own. */
export interface ClusterAddresses {
  readonly podCIDR: string;
  readonly serviceCIDR: string;
  readonly nodeCIDR: string;
  readonly clientCIDR: string;
  /** Addresses that nodes have outside the cluster, 1:1. */
  readonly outsideCIDR: string;
  /** What Services of type LoadBalancer get their addresses from. */
  readonly loadBalancerCIDR: string;
  /** The first address of it: where the Ingress proxy listens. No Service gets it. */
  readonly ingress: string;
  /** The fabric: every node's and client's router, and where the API server listens. */
  readonly fabric: string;
  /** Where cluster DNS answers, in the first family of Services. */
  readonly dns: string;
  /** Of the veth between the host and the fabric. */
  readonly host: { readonly interface: string; readonly host: string; readonly fabric: string; readonly bits: number };
  readonly uplinkCIDR: string;
  /** The same networks once more, where the cluster has IPv6. Nodes are known outside by these addresses. */
  readonly ipv6?: IPv6Addresses;
}

export interface IPv6Addresses {
  readonly podCIDR: string;
  readonly serviceCIDR: string;
  readonly nodeCIDR: string;
  readonly clientCIDR: string;
  readonly loadBalancerCIDR: string;
  readonly ingress: string;
  readonly fabric: string;
}

/** The cluster's addresses, once a family that Kubernetes has. An IPv6 cluster stands on IPv4 links all the same. */
export function familiesOf({ addresses, spec }: ClusterConfig): IPv6Addresses[] {
  const { ipv6 } = addresses;
  if (!ipv6) return [addresses];
  return spec.network.ipFamily === 'ipv6' ? [ipv6] : [addresses, ipv6];
}

/** A node's addresses in these families. */
export function nodeAddressesOf(config: ClusterConfig, { address, ipv6 }: NodeConfig): string[] {
  if (ipv6 === undefined) return [address];
  return config.spec.network.ipFamily === 'ipv6' ? [ipv6] : [address, ipv6];
}

/** Where nodes and pods reach the API server, without its port. */
export function apiAddressOf(config: ClusterConfig): string {
  return familiesOf(config)[0]?.fabric ?? '';
}

/** The first family's range of Services, whose first address is the API server's. */
export function serviceRangeOf(config: ClusterConfig): CIDR {
  return parseCIDR(familiesOf(config)[0]?.serviceCIDR ?? '');
}

/** Where Services of type LoadBalancer get their addresses from, one pool a family. */
export function loadBalancerPools(config: ClusterConfig): AddressPool[] {
  return familiesOf(config).map(({ loadBalancerCIDR, ingress }) => ({ cidr: loadBalancerCIDR, reserved: [ingress] }));
}

export interface NodeConfig {
  readonly name: string;
  readonly address: string;
  readonly outsideAddress: string;
  /** Where the cluster has IPv6; inside and outside the same. */
  readonly ipv6?: string;
  readonly labels: Readonly<Record<string, string>>;
  /** Goes before what was chosen for all nodes. */
  readonly kubelet?: KubeletSettings;
}

export interface ClientConfig {
  readonly name: string;
  readonly address: string;
  readonly ipv6?: string;
}

/** The kubeconfig context, and what the names of the cluster's network namespaces begin with. */
export function contextName(cluster: string): string {
  return cluster === 'knit' ? 'knit' : `knit-${cluster}`;
}

/** Throws `CLUSTER_UNKNOWN` where there is none, `STATE_NEWER` where a newer knit made it. */
export function readConfig(name: string): ClusterConfig {
  const config = findConfig(name);
  if (!config) {
    throw new KnitError(
      'CLUSTER_UNKNOWN',
      `there is no cluster named ${name}`,
      name === 'knit' ? 'run: knit up' : `run: knit up --name ${name}`,
    );
  }
  return config;
}

export function findConfig(name: string): ClusterConfig | undefined {
  const path = clusterPaths(name).config;
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
  let config: ClusterConfig;
  try {
    config = JSON.parse(text);
  } catch {
    throw new KnitError('STATE_BROKEN', `${path} cannot be read`, `remove the cluster: knit down --name ${name}`);
  }
  if (config.stateVersion > stateVersion) {
    throw new KnitError(
      'STATE_NEWER',
      `the cluster ${name} was made by a newer knit (state ${config.stateVersion}, this one knows ${stateVersion})`,
      `use that knit, or remove the cluster: knit down --name ${name}`,
    );
  }
  return migrated(config);
}

/** Exported for its test. */
export function migrated(config: ClusterConfig): ClusterConfig {
  const migrate = migrations[config.stateVersion];
  return migrate ? migrated({ ...migrate(config), stateVersion: config.stateVersion + 1 }) : config;
}

/** What specifications have since version 2, as it was then: what a cluster is does not change with later defaults. */
const addedIn2 = {
  hollowNodes: 0,
  publish: [],
  loadBalancer: { healthCheck: { intervalMs: 500, timeoutMs: 500, healthyThreshold: 1, unhealthyThreshold: 2 } },
};
const networkIn2 = { podNetwork: 'routes', ipFamily: 'ipv4' } as const;

/** Clusters had no virtual addresses of load balancers before version 2. The number in their link's name is their slot. */
function withLoadBalancers(config: ClusterConfig): ClusterConfig {
  const loadBalancerCIDR = defaultLoadBalancerCIDR(Number(config.addresses.host.interface.replace(/^\D+/, '')));
  return {
    ...config,
    spec: { ...addedIn2, ...config.spec, network: { ...networkIn2, ...config.spec.network } },
    addresses: { ...config.addresses, loadBalancerCIDR, ingress: ingressAddress(loadBalancerCIDR) },
  };
}

/** Replaces the file in one step: a reader sees the old or the new one. */
export function writeConfig(config: ClusterConfig): void {
  writeFileAtomically(clusterPaths(config.name).config, `${JSON.stringify(config, undefined, 2)}\n`);
}

export function writeFileAtomically(path: string, content: string, mode = 0o644): void {
  mkdirSync(dirname(path), { recursive: true });
  const temporary = `${path}.new`;
  writeFileSync(temporary, content, { mode });
  renameSync(temporary, path);
}
