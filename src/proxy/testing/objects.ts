import type { EndpointSlice, Service } from '../../api/types.ts';
import type { NodeFacts } from '../plan.ts';
import { NODE1, POD_PORT } from './lab.ts';

export const node1: NodeFacts = {
  name: 'node1',
  addresses: [NODE1],
  podCIDRs: ['10.244.1.0/24'],
  clusterCIDRs: ['10.244.0.0/16'],
};

/** Addresses and nodes of the lab's pods. */
export const labPods = {
  a: { addresses: ['10.244.1.2'], nodeName: 'node1', conditions: { ready: true } },
  b: { addresses: ['10.244.1.3'], nodeName: 'node1', conditions: { ready: true } },
  c: { addresses: ['10.244.2.2'], nodeName: 'node2', conditions: { ready: true } },
};

export function service(name: string, clusterIP: string, spec: Partial<NonNullable<Service['spec']>> = {}): Service {
  return {
    metadata: { namespace: 'shop', name, creationTimestamp: '2026-01-01T00:00:00Z' },
    spec: { type: 'ClusterIP', clusterIP, clusterIPs: [clusterIP], ports: [{ port: 80, protocol: 'TCP' }], ...spec },
  };
}

export function slice(
  serviceName: string,
  endpoints: EndpointSlice['endpoints'],
  protocol: 'TCP' | 'UDP' = 'TCP',
): EndpointSlice {
  return {
    metadata: {
      namespace: 'shop',
      name: `${serviceName}-${protocol.toLowerCase()}`,
      labels: { 'kubernetes.io/service-name': serviceName },
    },
    addressType: 'IPv4',
    ports: [{ port: POD_PORT, protocol, name: '' }],
    endpoints,
  };
}
