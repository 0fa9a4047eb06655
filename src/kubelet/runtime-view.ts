import path from 'node:path';
import { type CriClient, isRuntimeNotFound } from './cri/client.ts';
import { type ContainerStatus, containerState, sandboxState } from './cri/messages.ts';
import { label } from './labels.ts';
import type { KubeletPaths } from './paths.ts';

/** A container as logs, exec and attach need it. */
export interface FoundContainer {
  readonly id: string;
  readonly name: string;
  readonly podUid: string;
  readonly podSandboxId: string;
  readonly running: boolean;
  /** 0 for the first start; one more for each restart. */
  readonly attempt: number;
  /** The log of this very start; that of the one before has another number. CRI format, one line an entry. */
  readonly logPath: string;
  /** ns since the epoch. */
  readonly createdAt: number;
}

/** What runs on the node, for those who serve it (logs, exec, attach, port-forward). Asks the runtime each time. */
export interface RuntimeView {
  readonly cri: CriClient;
  /**
   * The newest start of a container; of the pod's only container where no name is given. `undefined` where it was
   * never started.
   */
  findContainer(namespace: string, pod: string, container?: string): Promise<FoundContainer | undefined>;
  /** All starts of a container that the runtime still knows, the newest first: the second one is `--previous`. */
  findContainers(namespace: string, pod: string, container?: string): Promise<readonly FoundContainer[]>;
  /** Id of the pod's ready sandbox. */
  findSandbox(namespace: string, pod: string): Promise<string | undefined>;
  /** Exit code and times of a container; `undefined` where it is gone. */
  containerStatus(id: string): Promise<ContainerStatus | undefined>;
}

export function createRuntimeView(cri: CriClient, paths: KubeletPaths): RuntimeView {
  const findContainers = async (namespace: string, pod: string, container?: string) => {
    const labels: Record<string, string> = { [label.podNamespace]: namespace, [label.podName]: pod };
    if (container !== undefined) labels[label.containerName] = container;
    const listed = await cri.listContainers(labels);
    return listed
      .map((found): FoundContainer => {
        const name = found.labels[label.containerName] ?? '';
        const podUid = found.labels[label.podUid] ?? '';
        const attempt = found.metadata?.attempt ?? 0;
        return {
          id: found.id,
          name,
          podUid,
          podSandboxId: found.podSandboxId,
          running: found.state === containerState.running,
          attempt,
          logPath: path.join(paths.podLogs(namespace, pod, podUid), paths.containerLog(name, attempt)),
          createdAt: found.createdAt,
        };
      })
      .sort((a, b) => b.createdAt - a.createdAt);
  };
  return {
    cri,
    findContainers,
    findContainer: async (namespace, pod, container) => (await findContainers(namespace, pod, container))[0],
    async findSandbox(namespace, pod) {
      const labels = { [label.podNamespace]: namespace, [label.podName]: pod };
      const ready = (await cri.listPodSandboxes(labels)).filter((sandbox) => sandbox.state === sandboxState.ready);
      return ready.sort((a, b) => b.createdAt - a.createdAt)[0]?.id;
    },
    async containerStatus(id) {
      try {
        return await cri.containerStatus(id);
      } catch (error) {
        if (isRuntimeNotFound(error)) return undefined;
        throw error;
      }
    },
  };
}
