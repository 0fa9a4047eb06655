import { isIPv6 } from 'node:net';
import type { Container, EndpointSlice, Endpoints, Pod, Service, ServicePort } from '../../api/types.ts';
import type { Informer } from '../../client/informer.ts';
import { matchesLabels } from '../labels.ts';
import { hasEnded, podCondition } from '../pods.ts';

export const TRIGGER_TIME = 'endpoints.kubernetes.io/last-change-trigger-time';
export const HEADLESS_LABEL = 'service.kubernetes.io/headless';

export type Port = NonNullable<EndpointSlice['ports']>[number];
export type Family = 'IPv4' | 'IPv6';

/** Whether the controllers decide who serves it. One without a selector is its author's, one by name is DNS's. */
export const isSelecting = (service: Service): boolean =>
  service.spec?.type !== 'ExternalName' && Object.keys(service.spec?.selector ?? {}).length > 0;

export const isHeadless = (service: Service): boolean => service.spec?.clusterIP === 'None';

export const selects = (service: Service, pod: Pod): boolean =>
  isSelecting(service) && matchesLabels(service.spec?.selector ?? {}, pod.metadata?.labels);

/** Pods that a Service selects and that have an address; those that end are still there, those that ended are not. */
export function membersOf(service: Service, pods: Informer<Pod>): Pod[] {
  return pods
    .list(service.metadata?.namespace ?? '')
    .filter((pod) => selects(service, pod) && !hasEnded(pod) && addressesOf(pod).length > 0);
}

function addressesOf(pod: Pod): string[] {
  const addresses = pod.status?.podIPs?.map(({ ip }) => ip) ?? [pod.status?.podIP ?? ''];
  return addresses.filter((address) => address !== '');
}

export function addressOf(pod: Pod, family: Family): string | undefined {
  return addressesOf(pod).find((address) => (isIPv6(address) ? 'IPv6' : 'IPv4') === family);
}

export function familiesOf(service: Service): Family[] {
  const families = service.spec?.ipFamilies ?? [];
  return families.length > 0 ? families.map((family) => (family === 'IPv6' ? 'IPv6' : 'IPv4')) : ['IPv4'];
}

/** The ports of a pod that a Service leads to; a named port that the pod does not have is left out. */
export function portsOf(service: Service, pod: Pod): Port[] {
  return (service.spec?.ports ?? []).flatMap((port) => {
    const number = targetPort(port, pod);
    if (number === undefined) return [];
    return [{ name: port.name ?? '', port: number, protocol: port.protocol ?? 'TCP', appProtocol: port.appProtocol }];
  });
}

function targetPort(port: ServicePort, pod: Pod): number | undefined {
  const target: unknown = port.targetPort ?? port.port;
  if (typeof target === 'number') return target;
  const isSidecar = (container: Container) => container.restartPolicy === 'Always';
  const containers = [...(pod.spec?.containers ?? []), ...(pod.spec?.initContainers ?? []).filter(isSidecar)];
  const ports = containers.flatMap((container) => container.ports ?? []);
  return ports.find(({ name, protocol = 'TCP' }) => name === target && protocol === (port.protocol ?? 'TCP'))
    ?.containerPort;
}

/** When the newest of these changes happened, for whoever measures how long they took to reach the kernel. */
export function triggerTime(service: Service, pods: readonly Pod[]): string | undefined {
  const times = pods.flatMap((pod) => podCondition(pod, 'Ready')?.lastTransitionTime ?? []);
  return [...times, service.metadata?.creationTimestamp ?? ''].sort().at(-1) || undefined;
}

/** The name that a pod of a headless Service has of its own (`hostname` and `subdomain`). */
export function hostnameOf(service: Service, pod: Pod): string | undefined {
  return pod.spec?.subdomain === service.metadata?.name ? pod.spec?.hostname || undefined : undefined;
}

const SKIP_MIRROR = 'endpointslice.kubernetes.io/skip-mirror';
const LEADER = 'control-plane.alpha.kubernetes.io/leader';

/** Whether somebody wrote these Endpoints by hand, for a Service without a selector. */
export const isHandMade = ({ metadata }: Endpoints): boolean =>
  metadata?.labels?.[SKIP_MIRROR] !== 'true' &&
  metadata?.labels?.['endpoints.kubernetes.io/managed-by'] === undefined &&
  metadata?.annotations?.[LEADER] === undefined;
