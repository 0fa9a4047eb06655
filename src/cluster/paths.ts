import { join } from 'node:path';

/** Kept by `knit down --keep`, and over a reboot. */
export const stateRoot = process.env.KNIT_STATE_DIR ?? '/var/lib/knit';
/** Gone after a reboot. */
export const runtimeRoot = process.env.KNIT_RUNTIME_DIR ?? '/run/knit';

/** Of all clusters: which interfaces of the machine forward only for them. No cluster's name begins with a dot. */
export const forwardingRecords = join(runtimeRoot, '.forwarding');

/** Where the files of the cluster `name` are. */
export interface ClusterPaths {
  readonly state: string;
  readonly runtime: string;
  readonly config: string;
  readonly pki: string;
  readonly store: string;
  readonly logs: string;
  /** Run-time files of the containerd that prepares images. */
  readonly images: string;
  /** Run-time files of the Ingress proxy, keys of certificates among them. */
  readonly ingress: string;
  /** Serialises `knit` commands that change the cluster. */
  readonly lock: string;
  node(node: string): NodePaths;
}

/** Where the files of one node are. */
export interface NodePaths {
  readonly state: string;
  readonly runtime: string;
  readonly agentConfig: string;
  readonly kubelet: string;
  readonly containerdRoot: string;
  readonly containerdState: string;
  readonly containerdConfig: string;
  readonly containerdSocket: string;
  readonly registries: string;
  readonly cniConf: string;
  /** There while the node is about to go. */
  readonly shutdown: string;
  readonly logs: string;
}

export function clusterPaths(name: string): ClusterPaths {
  const state = join(stateRoot, name);
  const runtime = join(runtimeRoot, name);
  return {
    state,
    runtime,
    config: join(state, 'cluster.json'),
    pki: join(state, 'pki'),
    store: join(state, 'store.db'),
    logs: join(state, 'logs'),
    images: join(runtime, 'images'),
    ingress: join(runtime, 'ingress'),
    lock: join(runtime, 'lock'),
    node: (node) => nodePaths(state, runtime, node),
  };
}

function nodePaths(state: string, runtime: string, node: string): NodePaths {
  const nodeState = join(state, 'nodes', node);
  const nodeRuntime = join(runtime, 'nodes', node);
  return {
    state: nodeState,
    runtime: nodeRuntime,
    agentConfig: join(nodeState, 'agent.json'),
    kubelet: join(nodeState, 'kubelet'),
    containerdRoot: join(nodeState, 'containerd'),
    containerdState: join(nodeRuntime, 'containerd'),
    containerdConfig: join(nodeRuntime, 'containerd.toml'),
    containerdSocket: join(nodeRuntime, 'containerd.sock'),
    registries: join(nodeRuntime, 'registries'),
    cniConf: join(nodeRuntime, 'cni'),
    shutdown: join(nodeRuntime, 'shutdown'),
    logs: join(state, 'logs', node),
  };
}
