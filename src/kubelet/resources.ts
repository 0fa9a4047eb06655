import { parseQuantity } from '../api/quantity.ts';
import type { Container, Pod } from '../api/types.ts';
import type { LinuxContainerResources } from './cri/messages.ts';

export type ResourceList = Readonly<Record<string, string>>;
export type QosClass = 'Guaranteed' | 'Burstable' | 'BestEffort';

const CPU_PERIOD_US = 100_000;
const MIN_QUOTA_US = 1_000;
const MIN_SHARES = 2;
const MAX_SHARES = 262_144;

/** A quantity in its unit (cores, bytes), with fractions; 0 where there is none. */
export function quantity(text: string | undefined): number {
  return text === undefined ? 0 : Number(parseQuantity(text).nanos) / 1e9;
}

/** https://kubernetes.io/docs/concepts/workloads/pods/pod-qos/ */
export function qosClass(pod: Pod): QosClass {
  const containers = [...(pod.spec?.containers ?? []), ...(pod.spec?.initContainers ?? [])];
  const asks = (container: Container, kind: 'limits' | 'requests', name: string) =>
    quantity(container.resources?.[kind]?.[name]);
  const names = ['cpu', 'memory'] as const;
  const kinds = ['limits', 'requests'] as const;
  const nothing = containers.every((container) =>
    kinds.every((kind) => names.every((name) => asks(container, kind, name) === 0)),
  );
  if (nothing) return 'BestEffort';
  const guaranteed = containers.every((container) =>
    names.every((name) => {
      const limit = asks(container, 'limits', name);
      const request = container.resources?.requests?.[name];
      return limit > 0 && (request === undefined || quantity(request) === limit);
    }),
  );
  return guaranteed ? 'Guaranteed' : 'Burstable';
}

/** The cgroup of a pod: below its QoS class, as the kubelet's cgroupfs driver names it. */
export function podCgroup(parent: string, pod: Pod): string {
  const qos = qosClass(pod);
  const folder = qos === 'Guaranteed' ? parent : `${parent}/${qos.toLowerCase()}`;
  return `${folder}/pod${pod.metadata?.uid}`;
}

/** What a container asks for as cgroup settings. `memoryBytes` is the node's capacity. */
export function containerResources(pod: Pod, container: Container, memoryBytes: number): LinuxContainerResources {
  const { limits = {}, requests = {} } = container.resources ?? {};
  const cpuLimit = quantity(limits.cpu);
  const cpuRequest = quantity(requests.cpu ?? limits.cpu);
  return {
    cpuPeriod: CPU_PERIOD_US,
    cpuQuota: cpuLimit > 0 ? Math.max(MIN_QUOTA_US, Math.ceil(cpuLimit * CPU_PERIOD_US)) : 0,
    cpuShares: Math.min(MAX_SHARES, Math.max(MIN_SHARES, Math.floor(cpuRequest * 1024))),
    memoryLimitInBytes: quantity(limits.memory),
    oomScoreAdj: oomScoreAdj(pod, container, memoryBytes),
  };
}

/** The kubelet's policy: the more memory a Burstable container asked for, the later it is killed. */
export function oomScoreAdj(pod: Pod, container: Container, memoryBytes: number): number {
  const qos = qosClass(pod);
  if (isNodeCritical(pod) || qos === 'Guaranteed') return -997;
  if (qos === 'BestEffort') return 1000;
  const request = quantity(container.resources?.requests?.memory ?? container.resources?.limits?.memory);
  const score = 1000 - Math.floor((1000 * request) / memoryBytes);
  return Math.min(999, Math.max(3, score));
}

const isNodeCritical = (pod: Pod): boolean => (pod.spec?.priority ?? 0) >= 2_000_001_000;
