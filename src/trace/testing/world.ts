import type { EndpointSlice, NetworkPolicy, Node, Pod, Service } from '../../api/types.ts';
import { Atlas, type World } from '../world.ts';

/** Three nodes, a client, and what a test adds: addresses are those of a cluster's first slot. */
export function testWorld(objects: Partial<World['objects']> = {}, network: Partial<World['network']> = {}): Atlas {
  const names = ['node-1', 'node-2', 'node-3'];
  return new Atlas({
    objects: {
      pods: [],
      services: [],
      endpointSlices: [],
      nodes: names.map((name, index) => testNode(name, `10.244.${index}.0/24`)),
      namespaces: [],
      networkPolicies: [],
      ingresses: [],
      ingressClasses: [],
      ...objects,
    },
    network: {
      proxyMode: 'nftables',
      overlay: false,
      directCIDRs: ['10.89.0.0/24'],
      loadBalancerPools: [{ cidr: '203.0.113.0/27', reserved: ['203.0.113.1'] }],
      fabric: {
        prefix: 'knit-test',
        fabric: '10.89.0.1',
        clientGateway: '198.51.100.1',
        podCIDR: '10.244.0.0/16',
        serviceCIDR: '10.96.0.0/16',
        nodeCIDR: '10.89.0.0/24',
        outsideCIDR: '198.18.0.0/24',
        loadBalancerCIDR: '203.0.113.0/27',
        host: { interface: 'knit0', host: '10.89.255.1', fabric: '10.89.255.2', bits: 30 },
        uplink: 'user',
        nodes: names.map((name, index) => ({
          name,
          address: `10.89.0.${11 + index}`,
          outsideAddress: `198.18.0.${11 + index}`,
        })),
        clients: [{ name: 'alice', address: '198.51.100.2' }],
      },
      ...network,
    },
  });
}

function testNode(name: string, podCIDR: string): Node {
  return { metadata: { name }, spec: { podCIDR, podCIDRs: [podCIDR] } };
}

/** `shop/web` at an address of its node's pod CIDR. */
export function testPod(path: string, node: string, ip: string, labels: Record<string, string> = {}): Pod {
  const [namespace = '', name = ''] = path.split('/');
  return {
    metadata: { namespace, name, labels },
    spec: { nodeName: node, containers: [{ name: 'main', ports: [{ name: 'http', containerPort: 8080 }] }] },
    status: { phase: 'Running', podIP: ip, podIPs: [{ ip }] },
  };
}

/** A Service of port 80 with these pods behind it. */
export function testService(
  path: string,
  clusterIP: string,
  pods: readonly Pod[],
  spec: Partial<Service['spec']> = {},
) {
  const [namespace = '', name = ''] = path.split('/');
  const service: Service = {
    metadata: { namespace, name, creationTimestamp: '2026-01-01T00:00:00Z' },
    spec: { clusterIP, clusterIPs: [clusterIP], ports: [{ name: 'http', port: 80, protocol: 'TCP' }], ...spec },
  };
  const slice: EndpointSlice = {
    metadata: { namespace, name: `${name}-1`, labels: { 'kubernetes.io/service-name': name } },
    addressType: 'IPv4',
    ports: (service.spec?.ports ?? []).map((port) => ({
      name: port.name,
      port: 8080,
      protocol: port.protocol ?? 'TCP',
    })),
    endpoints: pods.map((pod) => ({
      addresses: [pod.status?.podIP ?? ''],
      nodeName: pod.spec?.nodeName,
      conditions: { ready: true },
      targetRef: { kind: 'Pod', namespace: pod.metadata?.namespace, name: pod.metadata?.name },
    })),
  };
  return { service, slice };
}

export function testPolicy(path: string, spec: NetworkPolicy['spec']): NetworkPolicy {
  const [namespace = '', name = ''] = path.split('/');
  return { metadata: { namespace, name }, spec };
}
