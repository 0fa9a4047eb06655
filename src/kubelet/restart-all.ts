import type { ContainerStatus, Pod } from '../api/types.ts';
import { stopContainer } from './container-stop.ts';
import type { KubeletContext } from './context.ts';
import { type ContainerRecord, latest, type PodRuntime } from './pod-runtime.ts';
import { containersOf, restartsAll } from './restart-policy.ts';

/** How a container waits that was removed so that all of its pod start anew, and how its last start is told to have ended. */
export const restartingAll = {
  reason: 'RestartingAllContainers',
  message: 'The container is removed because RestartAllContainers in place',
} as const;

/** What is to be told of a container whose records the runtime has no more. */
export type Removed = Pick<ContainerStatus, 'restartCount' | 'lastState'>;

/**
 * What has to go so that all of a pod's containers start anew, in order; empty where no rule asks for it. The containers
 * that ask for it go last: a kubelet that is interrupted finds them again.
 */
export function containersToReset(pod: Pod, runtime: PodRuntime): readonly ContainerRecord[] {
  const all = containersOf(pod);
  const asks = (record: ContainerRecord | undefined) => {
    if (record?.state !== 'exited') return false;
    const container = all.find(({ name }) => name === record.name);
    return container !== undefined && restartsAll(container, record.status.exitCode);
  };
  if (!all.some(({ name }) => asks(latest(runtime, name)))) return [];
  const own = runtime.containers.filter((record) => all.some(({ name }) => name === record.name));
  return [...own.filter((record) => !asks(record)), ...own.filter(asks)];
}

/** Ends these at once and removes them; resolves to what is to be told of each. Their logs stay. */
export async function resetContainers(
  kubelet: KubeletContext,
  pod: Pod,
  runtime: PodRuntime,
  records: readonly ContainerRecord[],
): Promise<Map<string, Removed>> {
  const removed = new Map<string, Removed>();
  const podIP = runtime.podIPs[0] ?? '';
  for (const record of records) {
    if (record.state === 'running') {
      await stopContainer(kubelet, { pod, record, message: 'killing', graceSeconds: 0, podIP });
    }
    await kubelet.cri.removeContainer(record.id);
    kubelet.exited.delete(record.id);
    if (latest(runtime, record.name) !== record) continue;
    const restartCount = record.restartCount + 1;
    removed.set(record.name, { restartCount, lastState: { terminated: { exitCode: 137, ...restartingAll } } });
  }
  return removed;
}
