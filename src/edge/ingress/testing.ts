import type { EndpointSlice, Ingress, Node, Service } from '../../api/types.ts';

/** Objects for tests, of which only what matters is said. */
export interface TestPath {
  readonly path?: string;
  readonly type?: string;
  readonly service?: string;
  readonly port?: string | number;
}

export function testIngress(
  name: string,
  hosts: Readonly<Record<string, readonly TestPath[]>>,
  more: Partial<Ingress['spec']> & { createdAt?: string; annotations?: Record<string, string> } = {},
): Ingress {
  const { createdAt = '2026-01-01T00:00:00Z', annotations, ...spec } = more;
  return {
    apiVersion: 'networking.k8s.io/v1',
    kind: 'Ingress',
    metadata: { name, namespace: 'shop', creationTimestamp: createdAt, annotations },
    spec: {
      rules: Object.entries(hosts).map(([host, paths]) => ({
        ...(host === '' ? {} : { host }),
        http: {
          paths: paths.map(({ path = '/', type: pathType = 'Prefix', service = 'web', port = 80 }) => ({
            path,
            pathType,
            backend: { service: { name: service, port: typeof port === 'number' ? { number: port } : { name: port } } },
          })),
        },
      })),
      ...spec,
    },
  };
}

export function testService(name: string, spec: Partial<Service['spec']> = {}): Service {
  const ports = [{ name: 'http', port: 80, nodePort: 30080 }];
  return { metadata: { name, namespace: 'shop' }, spec: { type: 'NodePort', ports, ...spec } };
}

/** Pods of a Service, as `NODE/POD ADDRESS CONDITION`, ready where none is said. */
export function testSlice(service: string, pods: readonly string[]): EndpointSlice {
  return {
    metadata: { name: service, namespace: 'shop', labels: { 'kubernetes.io/service-name': service } },
    addressType: 'IPv4',
    ports: [{ name: 'http', port: 8080 }],
    endpoints: pods.map((text) => {
      const [where = '', address = '', condition = 'ready'] = text.split(' ');
      const [nodeName, name] = where.split('/');
      const ready = condition === 'ready';
      const terminating = condition === 'terminating';
      return {
        addresses: [address],
        nodeName,
        targetRef: { kind: 'Pod', name },
        conditions: { ready, serving: ready || terminating, terminating },
      };
    }),
  };
}

export function testNode(name: string, address: string, more: Partial<Node> & { ready?: boolean } = {}): Node {
  const { ready = true, metadata, ...rest } = more;
  return {
    metadata: { name, ...metadata },
    status: {
      addresses: [{ type: 'InternalIP', address }],
      conditions: [{ type: 'Ready', status: ready ? 'True' : 'False' }],
    },
    ...rest,
  };
}
