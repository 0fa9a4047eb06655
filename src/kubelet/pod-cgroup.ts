import { podQuantities } from '../api/pod-resources.ts';
import { milliValue, quantityValue } from '../api/quantity.ts';
import type { Container, Pod } from '../api/types.ts';
import { messageOf } from '../base/errors.ts';
import { type CgroupLimits, limitNewCgroup, raiseCgroupLimits, setCgroupLimits } from '../kernel/cgroup.ts';
import type { KubeletContext } from './context.ts';
import { CPU_PERIOD_US, cpuQuota, podCgroup, quantity } from './resources.ts';

export type PodLimiting = Pick<KubeletContext, 'cgroupParent' | 'limits' | 'log'>;

/**
 * What all containers of a pod may use together: what the pod says, or the sum where each container has a limit (the
 * kubelet's `ResourceConfigForPod`).
 */
export function podLimits(pod: Pod, podPids: number): CgroupLimits {
  const sum = podQuantities(pod.spec, 'limits');
  const cpu = isLimited(pod, 'cpu') ? milliValue(sum.get('cpu') ?? '0') : 0;
  const memory = isLimited(pod, 'memory') ? quantityValue(sum.get('memory') ?? '0') : 0;
  return {
    cpuPeriodUs: CPU_PERIOD_US,
    ...(cpu > 0 ? { cpuQuotaUs: cpuQuota(cpu) } : {}),
    ...(memory > 0 ? { memoryBytes: memory } : {}),
    ...(podPids > 0 ? { pids: podPids } : {}),
  };
}

function isLimited({ spec }: Pod, name: 'cpu' | 'memory'): boolean {
  const has = ({ resources }: Pick<Container, 'resources'>) => quantity(resources?.limits?.[name]) > 0;
  return has(spec ?? {}) || [...(spec?.containers ?? []), ...(spec?.initContainers ?? [])].every(has);
}

/** Limits the cgroup of a new pod, which the runtime has made and leaves without limits. */
export const limitNewPod = (kubelet: PodLimiting, pod: Pod): void => limit(kubelet, pod, limitNewCgroup);

export const limitPod = (kubelet: PodLimiting, pod: Pod): void => limit(kubelet, pod, setCgroupLimits);

function limit({ cgroupParent, limits, log }: PodLimiting, pod: Pod, set: typeof setCgroupLimits): void {
  try {
    set(podCgroup(cgroupParent, pod), podLimits(pod, limits.podPids));
  } catch (error) {
    const { namespace, name } = pod.metadata ?? {};
    log.warn('cannot limit a pod as a whole', { pod: `${namespace}/${name}`, error: messageOf(error) });
  }
}

/** Before a container gets more: no container may have more than its pod. */
export function makeRoomInPod({ cgroupParent, limits }: PodLimiting, pod: Pod): void {
  raiseCgroupLimits(podCgroup(cgroupParent, pod), podLimits(pod, limits.podPids));
}
