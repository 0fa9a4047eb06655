import { join } from 'node:path';
import { endpointSlices, namespaces, networkPolicies, nodes, pods, services } from '../api/resource.ts';
import type { Pod } from '../api/types.ts';
import { KnitError } from '../base/errors.ts';
import { processesIn } from '../kernel/cgroup.ts';
import { netnsFolder } from '../kernel/netns.ts';
import { podCgroup } from '../kubelet/resources.ts';
import { clientNetns, fabricNetns, nodeNetns } from '../machine/fabric.ts';
import { formatPlace, type Place } from '../trace/model.ts';
import type { Reach } from '../trace/trace.ts';
import type { World } from '../trace/world.ts';
import { type ClusterConfig, contextName } from './config.ts';
import { enterPodProcess } from './enter.ts';
import { fabricSpec } from './fabric.ts';
import { nodeCgroup } from './node.ts';
import { distFolder } from './processes.ts';
import { adminClient } from './ready.ts';

/** The cluster as it is now, for those who predict and explain. */
export async function readWorld(config: ClusterConfig): Promise<World> {
  const { client, close } = adminClient(config);
  try {
    const [podList, serviceList, sliceList, nodeList, namespaceList, policyList] = await Promise.all([
      client.list(pods),
      client.list(services),
      client.list(endpointSlices),
      client.list(nodes),
      client.list(namespaces),
      client.list(networkPolicies),
    ]);
    return {
      objects: {
        pods: podList.items,
        services: serviceList.items,
        endpointSlices: sliceList.items,
        nodes: nodeList.items,
        namespaces: namespaceList.items,
        networkPolicies: policyList.items,
      },
      network: {
        fabric: fabricSpec(config),
        // With `none` somebody runs a proxy by hand: most likely ours, in its own default mode.
        proxyMode: config.spec.proxy.mode === 'none' ? 'nftables' : config.spec.proxy.mode,
        directCIDRs: [config.addresses.nodeCIDR, config.addresses.ipv6?.nodeCIDR].filter((cidr) => cidr !== undefined),
      },
    };
  } finally {
    await close();
  }
}

/** How tracing gets into the cluster's network namespaces. */
export function reachOf(config: ClusterConfig, world: World): Reach {
  const prefix = contextName(config.name);
  const program = [process.execPath, join(distFolder, 'probe.js')];
  const enter = (place: Place): string[] => {
    if (place.kind === 'pod') return ['nsenter', `--net=/proc/${processOf(config, podOf(world, place))}/ns/net`];
    const name =
      place.kind === 'node'
        ? nodeNetns(prefix, place.name)
        : place.kind === 'client'
          ? clientNetns(prefix, place.name)
          : fabricNetns(prefix);
    return ['nsenter', `--net=${netnsFolder}/${name}`];
  };
  return {
    enter,
    probe: (place) =>
      place.kind === 'pod'
        ? [...enterPodProcess(processOf(config, podOf(world, place))), ...program]
        : [...enter(place), ...program],
  };
}

function podOf(world: World, place: Extract<Place, { kind: 'pod' }>): Pod {
  const pod = world.objects.pods.find(
    ({ metadata }) => metadata?.namespace === place.namespace && metadata.name === place.name,
  );
  if (pod) return pod;
  throw new KnitError('TARGET_UNKNOWN', `there is no ${formatPlace(place)}`);
}

function processOf(config: ClusterConfig, pod: Pod): number {
  const [pid] = processesIn(podCgroup(`${nodeCgroup(config.name, pod.spec?.nodeName ?? '')}/pods`, pod));
  if (pid !== undefined) return pid;
  const { namespace, name } = pod.metadata ?? {};
  throw new KnitError(
    'POD_NOT_RUNNING',
    `pod ${namespace}/${name} has no process`,
    `see why: knit kubectl describe pod -n ${namespace} ${name}`,
  );
}
