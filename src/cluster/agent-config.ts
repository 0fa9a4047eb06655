import type { KubeletSettings } from '../kubelet/index.ts';
import type { OverlayEnd } from '../podnet/index.ts';
import type { ProxyMode } from '../proxy/index.ts';

/** PEM files. */
export interface IdentityFiles {
  readonly cert: string;
  readonly key: string;
}

/** What a node agent is told when it starts: `nodes/NODE/agent.json`. */
export interface AgentConfig {
  readonly cluster: string;
  readonly node: {
    readonly name: string;
    /** One a family, IPv4 first. */
    readonly addresses: readonly string[];
    readonly labels: Readonly<Record<string, string>>;
  };
  /** URL of the API server: `https://10.89.0.1:6443`. */
  readonly server: string;
  /** A PEM file. */
  readonly ca: string;
  readonly kubeletIdentity: IdentityFiles;
  readonly networkIdentity: IdentityFiles;
  readonly criSocket: string;
  /** Folder in which the container runtime keeps images. */
  readonly criRoot: string;
  readonly kubeletRoot: string;
  /** Folder of the node's own logs. */
  readonly logs: string;
  /** Of the node's pods, as CRI wants it: `/knit/NAME/NODE/pods`. */
  readonly cgroupParent: string;
  /** Of the node's own processes. */
  readonly systemCgroup: string;
  readonly cniConf: string;
  /** A file that is there while the node is about to go. */
  readonly shutdown: string;
  /** Of all pods of the cluster, one a family. */
  readonly podCIDRs: readonly string[];
  readonly nodeCIDRs: readonly string[];
  /** Ends of the overlay that are no nodes; left out where the fabric routes pods' networks. */
  readonly overlayEnds?: readonly OverlayEnd[];
  readonly clusterDNS: string;
  readonly clusterDomain: string;
  readonly proxyMode: ProxyMode | 'none';
  /** What was chosen of the kubelet, for all nodes and for this one. */
  readonly kubelet?: KubeletSettings;
  readonly version: string;
}
