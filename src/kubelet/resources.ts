import { containerQuantities } from '../api/pod-resources.ts';
import { milliValue, parseQuantity, quantityValue } from '../api/quantity.ts';
import { NODE_CRITICAL_CLASS } from '../api/system-priorities.ts';
import type { Container, Pod } from '../api/types.ts';
import type { LinuxContainerResources } from './cri/messages.ts';
import { isCritical } from './critical.ts';

export type ResourceList = Readonly<Record<string, string>>;
export type QosClass = 'Guaranteed' | 'Burstable' | 'BestEffort';

export const CPU_PERIOD_US = 100_000;
const MIN_QUOTA_US = 1_000;
const MIN_SHARES = 2;
const MAX_SHARES = 262_144;

/** A quantity in its unit (cores, bytes), with fractions; 0 where there is none. */
export function quantity(text: string | undefined): number {
  return text === undefined ? 0 : Number(parseQuantity(text).nanos) / 1e9;
}

/**
 * https://kubernetes.io/docs/concepts/workloads/pods/pod-qos/
 * It never changes: what the API server said when the pod was created goes before what follows from its resources now.
 */
export function qosClass(pod: Pod): QosClass {
  return (pod.status?.qosClass as QosClass | undefined) ?? qosClassOf(pod);
}

function qosClassOf(pod: Pod): QosClass {
  const { resources, containers: main = [], initContainers = [] } = pod.spec ?? {};
  // What the pod says as a whole goes before (KEP-2837).
  const containers: readonly Pick<Container, 'resources'>[] = resources
    ? [{ resources }]
    : [...main, ...initContainers];
  const asks = (container: Pick<Container, 'resources'>, kind: 'limits' | 'requests', name: string) =>
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
  return `${qosCgroup(parent, qosClass(pod))}/pod${pod.metadata?.uid}`;
}

/** Guaranteed pods have no cgroup of their class: each stands beside those of the other classes. */
export function qosCgroup(parent: string, qos: QosClass): string {
  return qos === 'Guaranteed' ? parent : `${parent}/${qos.toLowerCase()}`;
}

/** What a node's containers have in common. */
export interface ContainerLimits {
  /** The node's capacity. */
  readonly memoryBytes: number;
  /** A container that runs out of memory loses all its processes and not only one: cgroup v2 alone can do that. */
  readonly oomKillsAll: boolean;
  /** Processes that a pod may have; no limit where it is not above zero. */
  readonly podPids: number;
}

/** What a container asks for as cgroup settings. */
export function containerResources(
  pod: Pod,
  container: Container,
  { memoryBytes, oomKillsAll }: Omit<ContainerLimits, 'podPids'>,
): LinuxContainerResources {
  const { requests = {}, limits: own = {} } = container.resources ?? {};
  const limits = { ...pod.spec?.resources?.limits, ...own };
  // In thousandths of a core, which are whole: a fraction of a core is not the number that it is written as.
  const cpuLimit = milliValue(limits.cpu ?? '0');
  const cpuRequest = milliValue(requests.cpu ?? own.cpu ?? '0');
  return {
    cpuPeriod: CPU_PERIOD_US,
    cpuQuota: cpuLimit > 0 ? cpuQuota(cpuLimit) : 0,
    cpuShares: cpuShares(cpuRequest),
    memoryLimitInBytes: quantity(limits.memory),
    oomScoreAdj: oomScoreAdj(pod, container, memoryBytes),
    ...(oomKillsAll ? { unified: { 'memory.oom.group': '1' } } : {}),
  };
}

/** The time in a period that so many thousandths of a core stand for. */
export const cpuQuota = (millicores: number): number =>
  Math.max(MIN_QUOTA_US, Math.floor((millicores * CPU_PERIOD_US) / 1000));

/** The share of cpu, in the unit of cgroup v1, that so many thousandths of a core stand for. */
export function cpuShares(millicores: number): number {
  return Math.min(MAX_SHARES, Math.max(MIN_SHARES, Math.floor((millicores * 1024) / 1000)));
}

/** The kubelet's policy: the more memory a Burstable container asked for, the later it is killed. */
export function oomScoreAdj(pod: Pod, container: Container, memoryBytes: number): number {
  const qos = qosClass(pod);
  if (isNodeCritical(pod) || qos === 'Guaranteed') return -997;
  if (qos === 'BestEffort') return 1000;
  const request = quantity(container.resources?.requests?.memory ?? container.resources?.limits?.memory);
  const score = 1000 - Math.floor((1000 * (request + shareOfRest(pod))) / memoryBytes);
  return Math.min(999, Math.max(3, score));
}

/** What a pod asks for as a whole and its containers do not is for all of them alike. */
function shareOfRest({ spec }: Pod): number {
  const asked = quantity(spec?.resources?.requests?.memory);
  if (!spec || asked === 0) return 0;
  const ofContainers = quantityValue(containerQuantities(spec, 'requests').get('memory') ?? '0');
  return Math.floor((asked - ofContainers) / (spec.containers.length + (spec.initContainers?.length ?? 0)));
}

const isNodeCritical = (pod: Pod): boolean => isCritical(pod) && pod.spec?.priorityClassName === NODE_CRITICAL_CLASS;
