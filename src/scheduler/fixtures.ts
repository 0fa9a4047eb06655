import type { Labels, Node, Pod, PodSpec, Taint } from '../api/types.ts';
import { Cluster, type Workloads } from './cluster.ts';
import { podInfo } from './podinfo.ts';
import { preempt } from './preemption.ts';
import { unschedulableMessage } from './report.ts';
import { schedule } from './schedule.ts';

/** Objects for tests, as short as a test reads. */
export interface NodeShape {
  readonly cpu?: string;
  readonly memory?: string;
  readonly pods?: string;
  readonly labels?: Labels;
  readonly taints?: Taint[];
  readonly unschedulable?: boolean;
  readonly images?: { names: string[]; sizeBytes: number }[];
}

export function node(name: string, shape: NodeShape = {}): Node {
  const { cpu = '4', memory = '8Gi', pods = '110', labels, taints, unschedulable, images } = shape;
  return {
    metadata: { name, labels: { 'kubernetes.io/hostname': name, ...labels } },
    spec: { taints, unschedulable },
    status: { allocatable: { cpu, memory, pods, 'ephemeral-storage': '100Gi' }, images },
  };
}

export interface PodShape extends Partial<PodSpec> {
  readonly labels?: Labels;
  readonly namespace?: string;
  readonly cpu?: string;
  readonly memory?: string;
}

export function pod(name: string, shape: PodShape = {}): Pod {
  const { labels, namespace = 'default', cpu, memory, ...spec } = shape;
  const requests = { ...(cpu && { cpu }), ...(memory && { memory }) };
  return {
    metadata: { name, namespace, uid: `uid-${name}`, labels: { ...labels } },
    spec: { containers: [{ name: 'main', image: 'lab', resources: { requests } }], ...spec },
  };
}

export function clusterOf(nodes: readonly Node[], placed: readonly Pod[] = [], workloads?: Workloads): Cluster {
  const cluster = new Cluster(workloads);
  for (const each of nodes) cluster.setNode(each.metadata?.name ?? '', each);
  for (const each of placed) cluster.setPod(each);
  return cluster;
}

/** The name of the chosen node, or why there is none. */
export function place(cluster: Cluster, incoming: Pod): string {
  const info = podInfo(incoming);
  const decision = schedule(info, cluster, { start: 0 });
  if (decision.kind === 'node') return decision.node.name;
  return unschedulableMessage(cluster, decision.rejections, preempt(info, cluster, decision.rejections, []));
}

/** Places and keeps it there, as a bound pod. */
export function put(cluster: Cluster, incoming: Pod): string {
  const name = place(cluster, incoming);
  if (cluster.node(name)) cluster.assume(podInfo(incoming), name);
  return name;
}
