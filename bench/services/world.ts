import type { EndpointSlice, IPAddress, KubeObject, Node, Service } from '../../src/api/types.ts';
import { encodeObject } from '../../src/apiserver/cache/object.ts';
import { openMemoryStore } from '../../src/store/memory.ts';
import type { Store } from '../../src/store/store.ts';

/** So many Services with so many endpoints each. */
export interface Size {
  readonly services: number;
  readonly endpoints: number;
}

export const NODE = 'node-1';
export const NODE_IP = '10.89.0.11';
export const CLUSTER_CIDR = '10.128.0.0/9';
const CREATED = '2026-01-01T00:00:00Z';

export const serviceName = (index: number): string => `service-${index}`;
export const sliceName = (index: number): string => `service-${index}-a`;
/** The first 256 are left to the API server. */
export const clusterIP = (index: number): string =>
  `10.${64 + ((index + 256) >> 16)}.${((index + 256) >> 8) & 255}.${index & 255}`;
const podIP = (index: number): string => `10.${128 + ((index >> 16) % 120)}.${(index >> 8) & 255}.${index & 255}`;

/** Endpoint `place` of Service `index`; each `version` has an address of its own. */
export function endpointOf({ endpoints }: Size, index: number, place: number, version = 0) {
  const number = (index * endpoints + place + version * 1_000_003) % (120 << 16);
  return { addresses: [podIP(number)], conditions: { ready: true }, nodeName: `node-${2 + (place % 3)}` };
}

export function serviceOf(index: number): Service {
  const address = clusterIP(index);
  return {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name: serviceName(index), namespace: 'bench', uid: `service-${index}`, creationTimestamp: CREATED },
    spec: {
      type: 'ClusterIP',
      clusterIP: address,
      clusterIPs: [address],
      ipFamilies: ['IPv4'],
      ipFamilyPolicy: 'SingleStack',
      internalTrafficPolicy: 'Cluster',
      sessionAffinity: 'None',
      selector: { app: serviceName(index) },
      ports: [{ name: 'http', port: 80, protocol: 'TCP', targetPort: 8080 }],
    },
    status: { loadBalancer: {} },
  };
}

/** What the API server makes of a Service's address. */
function addressOf(index: number): IPAddress {
  return {
    apiVersion: 'networking.k8s.io/v1',
    kind: 'IPAddress',
    metadata: {
      name: clusterIP(index),
      creationTimestamp: CREATED,
      labels: {
        'ipaddress.kubernetes.io/ip-family': 'IPv4',
        'ipaddress.kubernetes.io/managed-by': 'ipallocator.k8s.io',
      },
    },
    spec: { parentRef: { resource: 'services', namespace: 'bench', name: serviceName(index) } },
  };
}

export function sliceOf(size: Size, index: number): EndpointSlice {
  return {
    apiVersion: 'discovery.k8s.io/v1',
    kind: 'EndpointSlice',
    metadata: {
      name: sliceName(index),
      namespace: 'bench',
      uid: `slice-${index}`,
      creationTimestamp: CREATED,
      labels: { 'kubernetes.io/service-name': serviceName(index) },
    },
    addressType: 'IPv4',
    ports: [{ name: 'http', port: 8080, protocol: 'TCP' }],
    endpoints: Array.from({ length: size.endpoints }, (_, place) => endpointOf(size, index, place)),
  };
}

/** A store with everything in it, as an API server would have written it. */
export async function filledStore(size: Size): Promise<Store> {
  const store = openMemoryStore();
  const node: Node = {
    apiVersion: 'v1',
    kind: 'Node',
    metadata: { name: NODE, uid: NODE, creationTimestamp: CREATED },
    spec: { podCIDR: '10.128.1.0/24', podCIDRs: ['10.128.1.0/24'] },
    status: { addresses: [{ type: 'InternalIP', address: NODE_IP }] },
  };
  const put = (prefix: string, object: KubeObject) => store.put(`/registry/${prefix}`, encodeObject(object), 0);
  await put(`core/nodes/${NODE}`, node);
  for (let from = 0; from < size.services; from += 1000) {
    const indexes = Array.from({ length: Math.min(1000, size.services - from) }, (_, at) => from + at);
    await Promise.all(
      indexes.flatMap((index) => [
        put(`core/services/bench/${serviceName(index)}`, serviceOf(index)),
        put(`discovery.k8s.io/endpointslices/bench/${sliceName(index)}`, sliceOf(size, index)),
        put(`networking.k8s.io/ipaddresses/${clusterIP(index)}`, addressOf(index)),
      ]),
    );
  }
  return store;
}
