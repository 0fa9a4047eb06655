import type { KubeObject } from '../types.ts';
import { defineKind } from './define.ts';

/** The group of what is measured when somebody asks; nothing of it is kept, and its schemas are not Kubernetes' own. */
export const METRICS_GROUP = 'metrics.k8s.io';

type Usage = Readonly<Record<string, string>>;

/** What a node uses, on average over `window` before `timestamp`. */
export interface NodeMetrics extends KubeObject {
  timestamp: string;
  window: string;
  usage: Usage;
}

export interface PodMetrics extends KubeObject {
  timestamp: string;
  window: string;
  containers: { name: string; usage: Usage }[];
}

const common = { group: METRICS_GROUP, version: 'v1beta1', verbs: ['get', 'list'] } as const;

export const nodeMetrics = defineKind<NodeMetrics>({
  ...common,
  kind: 'NodeMetrics',
  plural: 'nodes',
  singular: '',
  namespaced: false,
});

export const podMetrics = defineKind<PodMetrics>({
  ...common,
  kind: 'PodMetrics',
  plural: 'pods',
  singular: '',
  namespaced: true,
});
