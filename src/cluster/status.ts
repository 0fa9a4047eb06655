import { hollowLabel } from '../api/node-labels.ts';
import { endpointSlices, nodes, pods } from '../api/resource.ts';
import type { Node, Pod } from '../api/types.ts';
import { messageOf } from '../base/errors.ts';
import { processesIn } from '../kernel/cgroup.ts';
import { type ClusterConfig, contextName, readConfig } from './config.ts';
import { adminClient, isReady } from './ready.ts';
import { clusterCgroup, isRunning } from './running.ts';

/** What a cluster is and how it is, as one value. */
export interface ClusterStatus {
  readonly config: ClusterConfig;
  readonly context: string;
  readonly running: boolean;
  /** Why the API server did not answer; undefined: it did. */
  readonly trouble?: string;
  readonly dns: { readonly ready: number; readonly all: number };
  /** The real ones. */
  readonly nodes: readonly NodeStatus[];
  /** Those that are pretended. */
  readonly hollow: HollowStatus;
}

/** Nodes on which nothing runs, as numbers: there may be thousands. */
export interface HollowStatus {
  readonly nodes: number;
  readonly ready: number;
  readonly pods: number;
}

export interface NodeStatus {
  readonly name: string;
  readonly address: string;
  readonly outsideAddress: string;
  readonly podCIDR: string;
  readonly running: boolean;
  readonly ready: boolean;
  /** Why it is not ready, in the kubelet's or the node controller's words. */
  readonly reason?: string;
  readonly pods: readonly PodPlace[];
}

export interface PodPlace {
  readonly namespace: string;
  readonly name: string;
  readonly address: string;
  readonly phase: string;
}

/** Looks at a cluster: its processes, and what its API server says. Answers also where that is away. */
export async function clusterStatus(name: string): Promise<ClusterStatus> {
  const config = readConfig(name);
  const running = processesIn(`${clusterCgroup(name)}/server`).length > 0;
  const facts = running ? await ask(config) : { trouble: 'the cluster is stopped', ...nothing };
  return {
    config,
    context: contextName(name),
    running,
    trouble: facts.trouble,
    dns: facts.dns,
    hollow: hollowOf(facts),
    nodes: config.nodes.map((node) => {
      const object = facts.nodes.find((each) => each.metadata?.name === node.name);
      const condition = object?.status?.conditions?.find((each) => each.type === 'Ready');
      return {
        name: node.name,
        address: node.address,
        outsideAddress: node.outsideAddress,
        podCIDR: object?.spec?.podCIDR ?? '',
        running: isRunning(name, node.name),
        ready: object ? isReady(object) : false,
        reason: condition?.status === 'True' ? undefined : condition?.message,
        pods: facts.pods.filter((pod) => pod.spec?.nodeName === node.name).map(placeOf),
      };
    }),
  };
}

function hollowOf(facts: Facts): HollowStatus {
  const all = facts.nodes.filter(({ metadata }) => metadata?.labels?.[hollowLabel] !== undefined);
  const names = new Set(all.map(({ metadata }) => metadata?.name));
  return {
    nodes: all.length,
    ready: all.filter(isReady).length,
    pods: facts.pods.filter(({ spec }) => names.has(spec?.nodeName)).length,
  };
}

interface Facts {
  readonly trouble?: string;
  readonly nodes: readonly Node[];
  readonly pods: readonly Pod[];
  readonly dns: { readonly ready: number; readonly all: number };
}

const nothing: Facts = { nodes: [], pods: [], dns: { ready: 0, all: 0 } };

async function ask(config: ClusterConfig): Promise<Facts> {
  const { client, close } = adminClient(config);
  try {
    const [nodeList, podList, slices] = await Promise.all([
      client.list(nodes),
      client.list(pods),
      client.list(endpointSlices, { namespace: 'kube-system', labelSelector: 'kubernetes.io/service-name=kube-dns' }),
    ]);
    const endpoints = slices.items.flatMap((slice) => slice.endpoints ?? []);
    const ready = endpoints.filter((endpoint) => endpoint.conditions?.ready).length;
    return { nodes: nodeList.items, pods: podList.items, dns: { ready, all: endpoints.length } };
  } catch (error) {
    return { ...nothing, trouble: `the API server does not answer: ${messageOf(error)}` };
  } finally {
    await close();
  }
}

function placeOf(pod: Pod): PodPlace {
  return {
    namespace: pod.metadata?.namespace ?? '',
    name: pod.metadata?.name ?? '',
    address: pod.spec?.hostNetwork ? 'node network' : (pod.status?.podIP ?? ''),
    phase: pod.metadata?.deletionTimestamp ? 'Terminating' : (pod.status?.phase ?? ''),
  };
}
