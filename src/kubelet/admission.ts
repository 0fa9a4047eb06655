import { compileNodeSelector } from '../api/node-selectors.ts';
import { podQuantities, quantitiesOf } from '../api/pod-resources.ts';
import type { Quantity } from '../api/quantity.ts';
import type { Node, Pod } from '../api/types.ts';
import { isCritical } from './critical.ts';
import type { Pressure } from './node-status.ts';
import { qosClass, type ResourceList } from './resources.ts';
import { forbiddenSysctl } from './sysctls.ts';

/** Why the kubelet does not run a pod that was bound to its node: the pod's `reason` and `message` from then on. */
export interface Rejection {
  readonly reason: string;
  readonly message: string;
}

/** What a pod is held against before its first container. */
export interface AdmissionContext {
  readonly allocatable: ResourceList;
  readonly node: Node;
  /** The pods that take room on the node already. */
  readonly others: readonly Pod[];
  readonly allowedUnsafeSysctls: readonly string[];
}

type Check = (pod: Pod, context: AdmissionContext) => Rejection | undefined;

/** In the kubelet's order. Whoever binds a pod may be wrong: a scheduler of one's own, or a `nodeName` in a manifest. */
const checks: readonly Check[] = [sysctls, operatingSystem, resources, affinity, ports];
/** Others make room for them. */
const checksOfCritical = checks.filter((check) => check !== resources);

/** Says why a pod must not run on this node, in the kubelet's words, or nothing. */
export function whyNotAdmitted(pod: Pod, context: AdmissionContext): Rejection | undefined {
  for (const check of isCritical(pod) ? checksOfCritical : checks) {
    const rejection = check(pod, context);
    if (rejection) return rejection;
  }
  return undefined;
}

/** A node that runs short of something takes no pod that would need more of it, save the system's own. */
export function rejectedUnder(pressures: ReadonlySet<Pressure>, pod: Pod): Rejection | undefined {
  if (pressures.size === 0 || isCritical(pod)) return undefined;
  const onlyMemory = pressures.size === 1 && pressures.has('MemoryPressure');
  const taint = 'node.kubernetes.io/memory-pressure';
  const tolerates = (pod.spec?.tolerations ?? []).some(
    ({ key, effect }) => (!key || key === taint) && (!effect || effect === 'NoSchedule'),
  );
  if (onlyMemory && (qosClass(pod) !== 'BestEffort' || tolerates)) return undefined;
  return { reason: 'Evicted', message: `The node had condition: [${[...pressures].join(' ')}]. ` };
}

function sysctls(pod: Pod, { allowedUnsafeSysctls }: AdmissionContext): Rejection | undefined {
  const forbidden = forbiddenSysctl(pod, allowedUnsafeSysctls);
  return forbidden ? { reason: 'SysctlForbidden', message: `forbidden sysctl: ${forbidden}` } : undefined;
}

function operatingSystem(pod: Pod): Rejection | undefined {
  const wanted = pod.spec?.os?.name;
  if (wanted === undefined || wanted === 'linux') return undefined;
  return { reason: 'PodOSNotSupported', message: "Failed to admit pod as the OS field doesn't match node OS" };
}

/** Of one resource a pod asks for more than is left; in thousandths of cores, and whole numbers of all else. */
export interface Shortage {
  readonly resource: string;
  readonly requested: number;
  readonly used: number;
  readonly capacity: number;
}

export function shortagesOf(
  pod: Pod,
  { allocatable, others }: Pick<AdmissionContext, 'allocatable' | 'others'>,
): Shortage[] {
  const capacities = quantitiesOf(allocatable);
  return ['pods', ...podQuantities(pod.spec, 'requests').keys()].flatMap((resource) => {
    // What a node knows nothing of may be the cluster's to give (extended resources without a device plugin).
    if (!capacities.has(resource)) return [];
    const capacity = countOf(resource, capacities.get(resource));
    const requested = requestOf(pod, resource);
    const used = others.reduce((sum, other) => sum + requestOf(other, resource), 0);
    return requested > 0 && requested + used > capacity ? { resource, requested, used, capacity } : [];
  });
}

/** What a pod asks for, in the units of {@link Shortage}. */
export const requestOf = (pod: Pod, resource: string): number =>
  resource === 'pods' ? 1 : countOf(resource, podQuantities(pod.spec, 'requests').get(resource));

function resources(pod: Pod, context: AdmissionContext): Rejection | undefined {
  const [first] = shortagesOf(pod, context);
  if (!first) return undefined;
  const { resource, requested, used, capacity } = first;
  const amounts = `requested: ${requested}, used: ${used}, capacity: ${capacity}`;
  return {
    reason: `OutOf${resource}`,
    message: `Node didn't have enough resource: ${resource}, ${amounts}`,
  };
}

function countOf(resource: string, amount: Quantity | undefined): number {
  const unit = resource === 'cpu' ? 1e6 : 1e9;
  return amount ? Math.ceil(Number(amount.nanos) / unit) : 0;
}

function affinity(pod: Pod, { node }: AdmissionContext): Rejection | undefined {
  const labels = node.metadata?.labels ?? {};
  const selected = Object.entries(pod.spec?.nodeSelector ?? {}).every(([key, value]) => labels[key] === value);
  const required = pod.spec?.affinity?.nodeAffinity?.requiredDuringSchedulingIgnoredDuringExecution;
  if (selected && (!required || compileNodeSelector(required)(node))) return undefined;
  return failed('NodeAffinity', "node(s) didn't match Pod's node affinity/selector");
}

function ports(pod: Pod, { others }: AdmissionContext): Rejection | undefined {
  const taken = others.flatMap(hostPorts);
  const clash = hostPorts(pod).some((wanted) => taken.some((other) => collide(wanted, other)));
  return clash ? failed('NodePorts', "node(s) didn't have free ports for the requested pod ports") : undefined;
}

const failed = (predicate: string, why: string): Rejection => ({
  reason: predicate,
  message: `Predicate ${predicate} failed: ${why}`,
});

interface HostPort {
  readonly ip: string;
  readonly port: string;
}

function hostPorts(pod: Pod): HostPort[] {
  const containers = [...(pod.spec?.containers ?? []), ...(pod.spec?.initContainers ?? [])];
  return containers
    .flatMap((container) => container.ports ?? [])
    .filter(({ hostPort }) => hostPort)
    .map(({ hostIP, hostPort, protocol }) => ({ ip: hostIP || anyAddress, port: `${hostPort}/${protocol ?? 'TCP'}` }));
}

const anyAddress = '0.0.0.0';

const collide = (a: HostPort, b: HostPort): boolean =>
  a.port === b.port && (a.ip === b.ip || a.ip === anyAddress || b.ip === anyAddress);
