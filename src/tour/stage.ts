import type { KubeObject } from '../api/types.ts';

export const tourNamespace = 'knit-tour';
export const tourHost = 'tour.example';
const image = 'knit.dev/lab:1';

interface Spec {
  readonly [field: string]: unknown;
}

/** Whom the journeys visit: three pods in a row on the first node, and two behind every Service on the others. */
export function stage(nodes: readonly string[]): KubeObject[] {
  const [first = '', second = first, third = second] = nodes;
  return [
    { apiVersion: 'v1', kind: 'Namespace', metadata: { name: tourNamespace } },
    pod('cart', first),
    pod('near', first),
    pair(first),
    pod('web-1', second, 'web'),
    pod('web-2', third, 'web'),
    service('web', { type: 'NodePort' }),
    service('balanced', { type: 'LoadBalancer' }),
    service('kept', { type: 'LoadBalancer', externalTrafficPolicy: 'Local' }),
    ingress(),
  ];
}

/** The Deployment and Service whose changes are followed. */
export function scaledStage(): KubeObject[] {
  const labels = { app: 'scaled' };
  const spec = {
    replicas: 1,
    selector: { matchLabels: labels },
    template: { metadata: { labels }, spec: { terminationGracePeriodSeconds: 0, containers: [container()] } },
  };
  return [
    { apiVersion: 'v1', kind: 'Namespace', metadata: { name: tourNamespace } },
    object('apps/v1', 'Deployment', 'scaled', spec),
    object('v1', 'Service', 'scaled', { selector: labels, ports: [{ port: 80, targetPort: 8080 }] }),
  ];
}

function object(
  apiVersion: string,
  kind: string,
  name: string,
  spec: Spec,
  labels?: Record<string, string>,
): KubeObject {
  const metadata = { name, namespace: tourNamespace, ...(labels ? { labels } : {}) };
  return { apiVersion, kind, metadata, spec } as KubeObject;
}

function container(name = 'lab', port = 8080): Spec {
  const env = [
    { name: 'PORT', value: String(port) },
    { name: 'UDP_PORT', value: String(port + 920) },
  ];
  return { name, image, env, ports: [{ name: `http${port === 8080 ? '' : '-2'}`, containerPort: port }] };
}

function pod(name: string, nodeName: string, app = name): KubeObject {
  const spec = { nodeName, terminationGracePeriodSeconds: 0, containers: [container()] };
  return object('v1', 'Pod', name, spec, { app });
}

function pair(nodeName: string): KubeObject {
  const containers = [container('one'), container('two', 8081)];
  return object('v1', 'Pod', 'pair', { nodeName, terminationGracePeriodSeconds: 0, containers }, { app: 'pair' });
}

function service(name: string, spec: Spec): KubeObject {
  const ports = [{ name: 'http', port: 80, targetPort: 8080 }];
  return object('v1', 'Service', name, { selector: { app: 'web' }, ports, ...spec });
}

function ingress(): KubeObject {
  const backend = { service: { name: 'web', port: { number: 80 } } };
  const rules = [{ host: tourHost, http: { paths: [{ path: '/', pathType: 'Prefix', backend }] } }];
  return object('networking.k8s.io/v1', 'Ingress', 'web', { rules });
}
