import { access } from 'node:fs/promises';
import { join } from 'node:path';
import { configMaps, nodes } from '../api/resource.ts';
import type { Node } from '../api/types.ts';
import { KnitError, messageOf } from '../base/errors.ts';
import type { Log } from '../base/log.ts';
import type { Running } from '../base/running.ts';
import type { Client } from '../client/client.ts';
import type { InformerFactory } from '../client/informer.ts';
import { type Nft, openNft } from '../kernel/nft.ts';
import { cniConfig, writeCNIConfig } from './cni.ts';
import { masqConfigMap, nonMasqueradeCIDRs } from './masq-config.ts';
import { EGRESS_TABLE, egressRules } from './masquerade.ts';
import { type OverlayEnd, overlayMtu, startOverlay, tunnelAddressOf } from './overlay.ts';
import { applyNodeSysctls } from './sysctls.ts';
import { vxlanDevice } from './vxlan.ts';

export interface PodNetworkOptions {
  readonly client: Client;
  readonly informers: InformerFactory;
  readonly log: Log;
  readonly nodeName: string;
  /** All pods of the cluster, one a family. */
  readonly clusterCIDRs: readonly string[];
  /** Destinations outside {@link clusterCIDRs} that have routes to pods and see their addresses: the nodes' network. */
  readonly directCIDRs?: readonly string[];
  readonly cniConfDir: string;
  /** Where the plugins `ptp` and `host-local` are looked for. */
  readonly cniBinDirs: readonly string[];
  /** Where `host-local` keeps its leases. Default `/var/lib/cni/networks`, which a node has for itself. */
  readonly cniDataDir?: string;
  /** Left out: the fabric routes. Else nodes tunnel to each other, and to these ends that are no nodes. */
  readonly overlayEnds?: readonly OverlayEnd[];
  /** Shared with others in the same process; left out: one of its own. */
  readonly nft?: Nft;
}

const RETRY_MS = 1000;

/**
 * Gives the node's pods a network as soon as the node has a pod CIDR, and follows it. Resolves at once: the CIDR may
 * come much later. Throws `CNI_PLUGIN_MISSING`. What it set stays when it stops: pods keep their network.
 */
export async function startPodNetwork(options: PodNetworkOptions): Promise<Running> {
  const { informers, log, nodeName } = options;
  await findPlugins(options.cniBinDirs);
  await applyNodeSysctls(log);
  const nft = options.nft ?? openNft({ log });
  const { overlayEnds: ends } = options;
  const overlay = ends && (await startOverlay({ informers, log, self: { node: nodeName }, ends }));
  const informer = informers.informer(nodes, { fieldSelector: `metadata.name=${nodeName}` });
  const configMap = informers.informer(configMaps, {
    namespace: masqConfigMap.namespace,
    fieldSelector: `metadata.name=${masqConfigMap.name}`,
  });
  let nonMasquerade: readonly string[] = [];
  let stopped = false;
  let applied: string | undefined;
  let doubtful = false;
  let retry: NodeJS.Timeout | undefined;
  let work = Promise.resolve();

  const sync = async () => {
    const node = informer.get(nodeName);
    const podCIDRs = podCIDRsOf(node);
    const tunnelAddress = tunnelAddressOf(node);
    if (stopped || podCIDRs.length === 0 || (ends && tunnelAddress === undefined)) return;
    try {
      const { namespace, name } = masqConfigMap;
      nonMasquerade = await nonMasqueradeCIDRs(configMap.get(`${namespace}/${name}`)?.data);
    } catch (error) {
      log.warn('what it said before holds', { error });
    }
    const wanted = [...podCIDRs, 'direct', ...nonMasquerade].join();
    if (wanted === applied && !(doubtful && !(await hasEgress(nft, podCIDRs)))) return;
    doubtful = false;
    const directCIDRs = [...options.clusterCIDRs, ...(options.directCIDRs ?? []), ...nonMasquerade];
    await nft.apply(egressRules({ podCIDRs, directCIDRs, ...(ends ? { tunnel: vxlanDevice } : {}) }));
    const dataDir = options.cniDataDir ?? '/var/lib/cni/networks';
    const mtu = ends && tunnelAddress ? { mtu: overlayMtu(tunnelAddress) } : {};
    if (await writeCNIConfig(options.cniConfDir, cniConfig({ podCIDRs, dataDir, ...mtu }))) {
      log.info('pods have a network', { podCIDRs });
    }
    applied = wanted;
  };
  const wake = () => {
    work = work.then(sync).catch((error: unknown) => {
      log.error('cannot set up the pod network, trying again', { error: messageOf(error) });
      retry = setTimeout(wake, RETRY_MS).unref();
    });
  };
  informer.onChange(wake);
  configMap.onChange(wake);
  const unwatch = nft.onForeignCommit(() => {
    doubtful = true; // whoever flushed the rules flushed these too
    wake();
  });
  await informers.start();
  wake();
  return {
    async stop() {
      stopped = true;
      clearTimeout(retry);
      unwatch();
      await overlay?.stop();
      await work;
      if (!options.nft) await nft.stop();
    },
  };
}

async function hasEgress(nft: Nft, podCIDRs: readonly string[]): Promise<boolean> {
  const families = new Set(podCIDRs.map((cidr) => (cidr.includes(':') ? 'ip6' : 'ip')));
  const rules = await Promise.all([...families].map((family) => nft.listRules(family, EGRESS_TABLE)));
  return rules.every((text) => text?.includes('masquerade'));
}

function podCIDRsOf(node: Node | undefined): readonly string[] {
  return node?.spec?.podCIDRs ?? (node?.spec?.podCIDR ? [node.spec.podCIDR] : []);
}

async function findPlugins(dirs: readonly string[]): Promise<void> {
  for (const plugin of ['ptp', 'host-local', 'loopback']) {
    const looks = dirs.map((dir) => access(join(dir, plugin)));
    await Promise.any(looks).catch(() => {
      throw new KnitError(
        'CNI_PLUGIN_MISSING',
        `the CNI plugin ${plugin} is in none of ${dirs.join(', ')}`,
        'install the package containernetworking-plugins',
      );
    });
  }
}
