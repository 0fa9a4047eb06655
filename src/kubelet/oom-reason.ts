import type { OomLog } from '../kernel/oom-log.ts';
import type { CriClient } from './cri/client.ts';

/** 128 + SIGKILL. */
const KILLED = 137;

/**
 * With cgroup v1 containerd tells `OOMKilled` only where it hears of it before the container has ended: on a crowded
 * machine that is half of the time. The kernel's log knows of the others.
 */
export function withOomReason(cri: CriClient, log: OomLog): CriClient {
  return {
    ...cri,
    async containerStatus(id) {
      const status = await cri.containerStatus(id);
      // containerd names a container's cgroup after its id.
      return status.exitCode === KILLED && log.has(id) ? { ...status, reason: 'OOMKilled' } : status;
    },
    close() {
      cri.close();
      log.close();
    },
  };
}
