import { hollowLabel } from '../api/node-labels.ts';
import { milliValue } from '../api/quantity.ts';
import { configMaps, deployments, nodes } from '../api/resource.ts';
import type { ConfigMap, Node } from '../api/types.ts';
import { messageOf } from '../base/errors.ts';
import type { Log } from '../base/log.ts';
import type { Running } from '../base/running.ts';
import { type Client, isAlreadyExists } from '../client/client.ts';
import { runController } from '../client/controller.ts';
import { createEventRecorder } from '../client/events.ts';
import type { InformerFactory } from '../client/informer.ts';
import { dnsDeployment } from './manifests.ts';
import { type ClusterSize, type ClusterSizes, parseScaling, replicasFor, type Scaling } from './scaling.ts';

export interface AutoscalerOptions {
  readonly client: Client;
  readonly informers: InformerFactory;
  readonly log: Log;
  /** `min` of the config map that is made where there is none. */
  readonly replicas: number;
}

const { namespace, name: target } = dnsDeployment;
const name = 'kube-dns-autoscaler';
const targetKey = `${namespace}/${target}`;

/**
 * Keeps the replicas of cluster DNS in proportion to the cluster, as the config map `kube-system/kube-dns-autoscaler`
 * says in the format of cluster-proportional-autoscaler. A config map that is wrong is told by an event, and the last
 * good one holds; after a restart with a wrong one, nothing is scaled. One that is missing is made.
 */
export async function startDnsAutoscaler(options: AutoscalerOptions): Promise<Running> {
  const { client, informers, log, replicas } = options;
  const allNodes = informers.informer(nodes);
  const allDeployments = informers.informer(deployments);
  const config = informers.informer(configMaps, { namespace, fieldSelector: `metadata.name=${name}` });
  const events = createEventRecorder(client, { component: 'dns-autoscaler' });
  let scaling: Scaling | undefined;

  const controller = runController({
    name: 'dns-autoscaler',
    log,
    informers: [allNodes, allDeployments, config],
    workers: 1,
    async sync() {
      if (!config.get(`${namespace}/${name}`)) return await create(client, defaultConfig(replicas));
      const deployment = allDeployments.get(targetKey);
      if (!deployment || !scaling) return;
      const sizes = sizesOf(allNodes.list());
      const present = deployment.spec?.replicas ?? 1;
      const wanted = replicasFor(scaling, sizes);
      if (wanted === present) return;
      await client.patch(deployments, { namespace, name: target }, 'merge', { spec: { replicas: wanted } }, 'scale');
      const { nodes: count, cores } = sizes.schedulable;
      const why = `Scaled from ${present} to ${wanted} for ${count} schedulable nodes with ${cores} cores`;
      events.event(deployment, 'Normal', 'ProportionalScaling', why);
    },
  });

  const read = (map: ConfigMap | undefined) => {
    if (!map) return;
    try {
      scaling = parseScaling(map.data);
    } catch (error) {
      log.warn('wrong config map', { configMap: `${namespace}/${name}`, reason: messageOf(error) });
      events.event(map, 'Warning', 'InvalidScaling', `Not used: ${messageOf(error)}`);
    }
  };
  config.onChange((map) => {
    read(map);
    controller.enqueue(name);
  });
  allNodes.onChange((node, old) => {
    if (!node || !old || !sameSize(node, old)) controller.enqueue(name);
  });
  allDeployments.onChange((deployment, old) => {
    if ((deployment ?? old)?.metadata?.name === target) controller.enqueue(name);
  });
  controller.enqueue(name);
  await informers.start();
  return controller;
}

/** The values of Kubernetes' own manifest for kube-dns, with a floor under them. */
function defaultConfig(replicas: number): ConfigMap {
  const linear = {
    coresPerReplica: 256,
    nodesPerReplica: 16,
    min: replicas,
    preventSinglePointFailure: true,
    includeUnschedulableNodes: true,
  };
  return {
    apiVersion: 'v1',
    kind: 'ConfigMap',
    metadata: { name, namespace, labels: { 'k8s-app': name } },
    data: { linear: JSON.stringify(linear) },
  };
}

async function create(client: Client, map: ConfigMap): Promise<void> {
  try {
    await client.create(configMaps, map);
  } catch (error) {
    if (!isAlreadyExists(error)) throw error;
  }
}

/** Hollow nodes ask nothing of DNS. */
function sizesOf(nodes: readonly Node[]): ClusterSizes {
  const all = nodes.filter(({ metadata }) => !metadata?.labels?.[hollowLabel]);
  return { all: sizeOf(all), schedulable: sizeOf(all.filter((node) => !node.spec?.unschedulable)) };
}

function sizeOf(some: readonly Node[]): ClusterSize {
  return { nodes: some.length, cores: some.reduce((sum, node) => sum + milliCoresOf(node), 0) / 1000 };
}

function milliCoresOf(node: Node): number {
  return milliValue(node.status?.allocatable?.cpu ?? '0');
}

/** Nodes change with every heartbeat. */
function sameSize(a: Node, b: Node): boolean {
  return a.spec?.unschedulable === b.spec?.unschedulable && milliCoresOf(a) === milliCoresOf(b);
}
