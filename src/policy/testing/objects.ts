import type { Namespace, NetworkPolicy, Pod } from '../../api/types.ts';
import type { PolicyNode } from '../plan.ts';

type Spec = NonNullable<NetworkPolicy['spec']>;
type Ports = NonNullable<NonNullable<Pod['spec']>['containers'][number]['ports']>;

/** The first node of the lab (src/proxy/testing/lab.ts). */
export const node1: PolicyNode = {
  name: 'node1',
  addresses: ['10.89.0.11', '10.244.1.1'],
  podCIDRs: ['10.244.1.0/24'],
};

export function pod(key: string, ip: string | readonly string[], options: PodOptions = {}): Pod {
  const [namespace, name] = key.split('/');
  const { labels = { app: name ?? '' }, nodeName = 'node1', ports = [], createdAt = '2026-01-01T00:00:00Z' } = options;
  return {
    metadata: { namespace, name, labels: { ...labels }, uid: `${key} ${createdAt}`, creationTimestamp: createdAt },
    spec: { nodeName, hostNetwork: options.hostNetwork, containers: [{ name: 'main', ports: [...ports] }] },
    status: { phase: options.phase ?? 'Running', podIPs: [ip].flat().map((each) => ({ ip: each })) },
  };
}

export interface PodOptions {
  readonly labels?: Readonly<Record<string, string>>;
  readonly nodeName?: string;
  readonly ports?: Ports;
  readonly hostNetwork?: boolean;
  readonly phase?: string;
  readonly createdAt?: string;
}

export function namespace(name: string, labels: Readonly<Record<string, string>> = {}): Namespace {
  return { metadata: { name, labels: { 'kubernetes.io/metadata.name': name, ...labels } } };
}

/** For all pods of its namespace, where `spec` does not say otherwise. */
export function policy(key: string, spec: Partial<Spec>): NetworkPolicy {
  const [namespace, name] = key.split('/');
  return { metadata: { namespace, name }, spec: { podSelector: {}, ...spec } };
}

export const matching = (matchLabels: Readonly<Record<string, string>>) => ({ matchLabels: { ...matchLabels } });
