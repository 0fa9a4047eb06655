import type { Pod } from '../api/types.ts';
import { familyOf } from '../base/cidr.ts';
import { canonicalAddress } from '../base/prefixes.ts';
import type { FrontEnd, NodeFacts, PlanEntry, PortPlan, Protocol } from './plan.ts';

const UNSPECIFIED = new Set(['', '0.0.0.0', '::']);

export function hostPortKey(pod: Pod): string {
  return `pod/${pod.metadata?.namespace}/${pod.metadata?.name}`;
}

/** Front ends for the host ports of a pod of this node; `undefined` where it has none, or no address yet. */
export function planHostPorts(pod: Pod, node: NodeFacts): PlanEntry | undefined {
  const phase = pod.status?.phase;
  if (pod.spec?.hostNetwork || phase === 'Succeeded' || phase === 'Failed') return undefined;
  const ports = (pod.status?.podIPs ?? [{ ip: pod.status?.podIP ?? '' }])
    .flatMap(({ ip }) => canonicalAddress(ip) ?? [])
    .flatMap((ip) => portsOf(pod, ip, node));
  if (ports.length === 0) return undefined;
  return { key: hostPortKey(pod), createdAt: pod.metadata?.creationTimestamp ?? '', ports };
}

function portsOf(pod: Pod, podIP: string, node: NodeFacts): PortPlan[] {
  const name = `${pod.metadata?.namespace}/${pod.metadata?.name}`;
  const family = familyOf(podIP);
  const containers = [...(pod.spec?.containers ?? []), ...(pod.spec?.initContainers ?? [])];
  return containers
    .flatMap((container) => container.ports ?? [])
    .flatMap((port): PortPlan[] => {
      const { hostPort, hostIP = '' } = port;
      if (!hostPort) return [];
      const addresses = UNSPECIFIED.has(hostIP) ? node.addresses : [canonicalAddress(hostIP) ?? []].flat();
      return [
        {
          label: `pod ${name}:${hostPort}`,
          family,
          protocol: (port.protocol ?? 'TCP').toLowerCase() as Protocol,
          frontEnds: addresses
            .filter((address) => familyOf(address) === family)
            .map(
              (address): FrontEnd => ({
                kind: 'HostPort',
                address,
                port: hostPort,
                fromCluster: 'local',
                fromOutside: 'local',
              }),
            ),
          pools: {
            local: [
              { address: podIP, port: port.containerPort, local: true, nodeName: node.name, target: `Pod/${name}` },
            ],
          },
        },
      ];
    });
}
