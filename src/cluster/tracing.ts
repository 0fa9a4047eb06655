import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import {
  configMaps,
  endpointSlices,
  ingressClasses,
  ingresses,
  namespaces,
  networkPolicies,
  nodes,
  pods,
  services,
} from '../api/resource.ts';
import type { Pod } from '../api/types.ts';
import { KnitError } from '../base/errors.ts';
import { type Client, isNotFound } from '../client/client.ts';
import { parseResolvConf } from '../dns/resolvconf.ts';
import { readGateways } from '../edge/gateway/reading.ts';
import { processesIn } from '../kernel/cgroup.ts';
import { netnsFolder } from '../kernel/netns.ts';
import { podCgroup } from '../kubelet/resources.ts';
import { clientNetns, fabricNetns, ingressNetns, nodeNetns } from '../machine/fabric.ts';
import { masqConfigMap, nonMasqueradeCIDRs } from '../podnet/masq-config.ts';
import { clientSource } from '../trace/explain/facts.ts';
import { formatPlace, type Place } from '../trace/model.ts';
import type { Reach } from '../trace/trace.ts';
import type { World } from '../trace/world.ts';
import { type ClusterConfig, contextName, familiesOf, loadBalancerPools } from './config.ts';
import { enterNodeTarget, enterPodProcess } from './enter.ts';
import { fabricSpec } from './fabric.ts';
import { clusterPaths } from './paths.ts';
import { distFolder } from './processes.ts';
import { adminClient } from './ready.ts';
import { nodeCgroup } from './running.ts';

/** The cluster as it is now, for those who predict and explain. */
export async function readWorld(config: ClusterConfig): Promise<World> {
  const { client, close } = adminClient(config);
  const overlay = config.spec.network.podNetwork === 'vxlan';
  try {
    const [
      podList,
      serviceList,
      sliceList,
      nodeList,
      namespaceList,
      policyList,
      ingressList,
      classList,
      gateways,
      unmasked,
    ] = await Promise.all([
      client.list(pods),
      client.list(services),
      client.list(endpointSlices),
      client.list(nodes),
      client.list(namespaces),
      client.list(networkPolicies),
      client.list(ingresses),
      client.list(ingressClasses),
      readGateways(clientSource(client)),
      unmaskedCIDRs(client),
    ]);
    return {
      objects: {
        pods: podList.items,
        services: serviceList.items,
        endpointSlices: sliceList.items,
        nodes: nodeList.items,
        namespaces: namespaceList.items,
        networkPolicies: policyList.items,
        ingresses: ingressList.items,
        ingressClasses: classList.items,
        gateways,
      },
      network: {
        fabric: fabricSpec(config),
        // With `none` somebody runs a proxy by hand: most likely ours, in its own default mode.
        proxyMode: config.spec.proxy.mode === 'none' ? 'nftables' : config.spec.proxy.mode,
        overlay,
        directCIDRs: [...(overlay ? [] : familiesOf(config).map(({ nodeCIDR }) => nodeCIDR)), ...unmasked],
        loadBalancerPools: loadBalancerPools(config),
      },
    };
  } finally {
    await close();
  }
}

/** Destinations that see pods' own addresses because somebody says so. A configuration that nodes refuse counts as none. */
async function unmaskedCIDRs(client: Client): Promise<readonly string[]> {
  try {
    return await nonMasqueradeCIDRs((await client.get(configMaps, masqConfigMap)).data);
  } catch (error) {
    if (isNotFound(error) || (error instanceof KnitError && error.code === 'MASQ_CONFIG_INVALID')) return [];
    throw error;
  }
}

/** How tracing gets into the cluster's network namespaces. */
export function reachOf(config: ClusterConfig, world: World): Reach {
  const prefix = contextName(config.name);
  const netns = (name: string) => {
    const file = `${netnsFolder}/${name}`;
    return existsSync(file) ? ['nsenter', `--net=${file}`] : undefined;
  };
  const pid = (place: PodPlace) => runningProcess(config, podOf(world, place));
  const enter = (place: Place): string[] | undefined => {
    switch (place.kind) {
      case 'pod':
        return netnsOf(processOf(config, podOf(world, place)));
      case 'node':
        return netns(nodeNetns(prefix, place.name));
      case 'client':
        return netns(clientNetns(prefix, place.name));
      case 'ingress':
        return netns(ingressNetns(prefix));
      default:
        return netns(fabricNetns(prefix));
    }
  };
  return {
    enter,
    enterAsProgram: (place) => {
      if (place.kind === 'pod') return enterPodProcess(pid(place));
      return place.kind === 'node' ? enterNodeTarget(config, place.name) : (enter(place) ?? []);
    },
    resolvers: (place) => {
      const etc =
        place.kind === 'pod'
          ? `/proc/${pid(place)}/root/etc`
          : place.kind === 'node'
            ? nodeEtc(config, place.name)
            : '/etc';
      return parseResolvConf(readFileSync(join(etc, 'resolv.conf'), 'utf8')).upstreams.map(({ address }) => address);
    },
    probe: [process.execPath, join(distFolder, 'probe.js')],
    ping: [join(distFolder, 'images/busybox'), 'ping'],
  };
}

type PodPlace = Extract<Place, { kind: 'pod' }>;

const nodeEtc = (config: ClusterConfig, node: string) => join(clusterPaths(config.name).node(node).runtime, 'etc');

function podOf(world: World, place: PodPlace): Pod {
  const pod = world.objects.pods.find(
    ({ metadata }) => metadata?.namespace === place.namespace && metadata.name === place.name,
  );
  if (pod) return pod;
  throw new KnitError('TARGET_UNKNOWN', `there is no ${formatPlace(place)}`);
}

const netnsOf = (pid: number | undefined) => (pid === undefined ? undefined : ['nsenter', `--net=/proc/${pid}/ns/net`]);

function processOf(config: ClusterConfig, pod: Pod): number | undefined {
  return processesIn(podCgroup(`${nodeCgroup(config.name, pod.spec?.nodeName ?? '')}/pods`, pod))[0];
}

function runningProcess(config: ClusterConfig, pod: Pod): number {
  const pid = processOf(config, pod);
  if (pid !== undefined) return pid;
  const { namespace, name } = pod.metadata ?? {};
  throw new KnitError(
    'POD_NOT_RUNNING',
    `pod ${namespace}/${name} has no process`,
    `see why: knit kubectl describe pod -n ${namespace} ${name}`,
  );
}
