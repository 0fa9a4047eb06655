import { podQuantities } from '../api/pod-resources.ts';
import { milliValue } from '../api/quantity.ts';
import type { Pod } from '../api/types.ts';
import { setCpuShares } from '../kernel/cgroup.ts';
import type { KubeletContext } from './context.ts';
import { cpuShares, podCgroup, qosCgroup, qosClass } from './resources.ts';

/** What of the kubelet sharing cpu needs. */
export type CpuSharing = Pick<KubeletContext, 'cgroupParent' | 'otherPods'>;

/**
 * Gives a pod, whose cgroup the runtime has made, the share of the node's cpu that it asked for: the runtime itself
 * weighs only the containers of one pod against each other.
 */
export function shareCpu(kubelet: CpuSharing, pod: Pod): void {
  setCpuShares(podCgroup(kubelet.cgroupParent, pod), cpuShares(requestedMillis(pod)));
  shareOfClass(kubelet, pod, [pod, ...kubelet.otherPods(pod)]);
}

/** The pod has ended: its class may have less from now on. */
export function shareCpuWithout(kubelet: CpuSharing, pod: Pod): void {
  shareOfClass(kubelet, pod, kubelet.otherPods(pod));
}

/** Burstable pods have together what each of them asked for, BestEffort pods what nobody else wants. */
function shareOfClass({ cgroupParent }: CpuSharing, pod: Pod, pods: readonly Pod[]): void {
  const qos = qosClass(pod);
  if (qos === 'Guaranteed') return;
  const burstable = qos === 'Burstable' ? pods.filter((each) => qosClass(each) === qos) : [];
  const millis = burstable.reduce((sum, each) => sum + requestedMillis(each), 0);
  setCpuShares(qosCgroup(cgroupParent, qos), cpuShares(millis));
}

function requestedMillis(pod: Pod): number {
  return milliValue(podQuantities(pod.spec, 'requests').get('cpu') ?? '0');
}
