import path from 'node:path';

/** Where the kubelet keeps what belongs to its pods. */
export interface KubeletPaths {
  readonly root: string;
  readonly pods: string;
  readonly logs: string;
  pod(uid: string): string;
  /** `pods/UID/volumes/kubernetes.io~PLUGIN/NAME`, as the kubelet names it. */
  volume(uid: string, plugin: string, name: string): string;
  /** Where secrets and tokens are: all pods' in one folder that is kept in memory, since each mount costs a process. */
  readonly secrets: string;
  secret(uid: string, plugin: string, name: string): string;
  container(uid: string, name: string): string;
  /** The folder that CRI calls the sandbox's log directory. */
  podLogs(namespace: string, name: string, uid: string): string;
  /** A container's log, below {@link podLogs}. */
  containerLog(container: string, attempt: number): string;
}

export function kubeletPaths(root: string): KubeletPaths {
  const pods = path.join(root, 'pods');
  const logs = path.join(root, 'logs');
  const pod = (uid: string) => path.join(pods, uid);
  return {
    root,
    pods,
    logs,
    pod,
    volume: (uid, plugin, name) => path.join(pod(uid), 'volumes', `kubernetes.io~${plugin}`, name),
    secrets: path.join(root, 'secrets'),
    secret: (uid, plugin, name) => path.join(root, 'secrets', uid, `kubernetes.io~${plugin}`, name),
    container: (uid, name) => path.join(pod(uid), 'containers', name),
    podLogs: (namespace, name, uid) => path.join(logs, `${namespace}_${name}_${uid}`),
    containerLog: (container, attempt) => path.join(container, `${attempt}.log`),
  };
}
