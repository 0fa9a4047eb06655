import { readFileSync } from 'node:fs';
import { isIPv6 } from 'node:net';
import { createLog, type Log } from '../base/log.ts';
import type { Running } from '../base/running.ts';
import { createClient, createInformers, httpsTransport, type InformerFactory } from '../client/index.ts';
import { openNft } from '../kernel/nft.ts';
import { startKubelet } from '../kubelet/index.ts';
import { kubeletPaths } from '../kubelet/paths.ts';
import { createReviews, startKubeletServer } from '../kubelet/server/index.ts';
import { startPodNetwork } from '../podnet/index.ts';
import { startPolicy } from '../policy/index.ts';
import { startProxy } from '../proxy/index.ts';
import type { AgentConfig, IdentityFiles } from './agent-config.ts';
import { keepCompiledCode } from './compile-cache.ts';
import { cniPluginFolder } from './containerd.ts';
import { loadShippedImages } from './prepared-images.ts';
import { watchForShutdown } from './shutdown.ts';

const kubeletPort = 10250;
const proxyHealthPort = 10256;
const proxyMetricsPort = 10249;

/**
 * The agent of a node: kubelet, pod network, policies and service proxy in one process, inside the node's namespaces.
 * Its one argument is its configuration file.
 */
async function main(path: string): Promise<void> {
  const config: AgentConfig = JSON.parse(readFileSync(path, 'utf8'));
  const log = createLog('agent');
  const kubelet = identityOf(config, config.kubeletIdentity);
  const network = identityOf(config, config.networkIdentity);
  const clientOf = (tls: Identity, userAgent: string) =>
    createClient(httpsTransport({ server: config.server, ...tls, maxConnections: 8 }), { userAgent });
  const own = createInformers(clientOf(kubelet, 'kubelet'), log);
  const others = createInformers(clientOf(network, 'knit-network'), log);
  const running = await startComponents(config, kubelet, own, nodeInformers(config.node.name, own, others), log);
  log.info('ready', { node: config.node.name });
  keepCompiledCode();
  const stop = async () => {
    for (const each of running) await each.stop();
    await Promise.all([own.stop(), others.stop()]);
    process.exit(0);
  };
  for (const signal of ['SIGTERM', 'SIGINT'] as const) process.once(signal, () => void stop());
}

interface Identity {
  readonly ca: string;
  readonly cert: string;
  readonly key: string;
}

const identityOf = ({ ca }: AgentConfig, { cert, key }: IdentityFiles): Identity => ({
  ca: read(ca),
  cert: read(cert),
  key: read(key),
});

/**
 * Informers of the node's network, which asks in its own name. What the kubelet watches too (its pods, its Node,
 * Services) comes from the kubelet's.
 */
function nodeInformers(node: string, kubelet: InformerFactory, network: InformerFactory): InformerFactory {
  const ofKubelet = new Set(['services ', `pods spec.nodeName=${node}`, `nodes metadata.name=${node}`]);
  return {
    client: network.client,
    informer(resource, options = {}) {
      const known = ofKubelet.has(`${resource.plural} ${options.fieldSelector ?? ''}`) && !options.labelSelector;
      return (known ? kubelet : network).informer(resource, options);
    },
    async start() {
      await Promise.all([kubelet.start(), network.start()]);
    },
    async stop() {
      await Promise.all([kubelet.stop(), network.stop()]);
    },
  };
}

async function startComponents(
  config: AgentConfig,
  tls: Identity,
  own: InformerFactory,
  informers: InformerFactory,
  log: Log,
): Promise<Running[]> {
  const { name, addresses, labels } = config.node;
  const mode = config.proxyMode;
  const shared = { client: informers.client, informers, nodeName: name };
  const nft = openNft({ log: log.child('nft') });
  const policy = startPolicy({ ...shared, nft, log: log.child('policy'), nodeIPs: addresses });
  const proxy =
    mode === 'none'
      ? undefined
      : startProxy({
          ...shared,
          nft,
          log: log.child('proxy'),
          nodeIPs: addresses,
          clusterCIDRs: config.podCIDRs,
          mode,
          healthz: { port: proxyHealthPort },
          metrics: { host: '127.0.0.1', port: proxyMetricsPort },
        });
  const kubelet = startKubelet({
    client: own.client,
    informers: own,
    nodeName: name,
    log: log.child('kubelet'),
    nodeIPs: addresses,
    hostname: name,
    criSocket: config.criSocket,
    rootDir: config.kubeletRoot,
    cgroupParent: config.cgroupParent,
    systemCgroup: config.systemCgroup,
    clusterDNS: [config.clusterDNS],
    clusterDomain: config.clusterDomain,
    kubeletPort,
    labels,
    settings: config.kubelet,
    imageFolder: config.criRoot,
    version: config.version,
    imagesReady: shippedImages(config, log),
    podStarts: async (pod, podIPs) => {
      // The rules of a node that was stopped are still there, and lead to pods that are not.
      await proxy;
      await (await policy).podStarts(pod, podIPs);
    },
    podEnds: (pod) => void policy.then((each) => each.podEnds(pod)),
  });
  const running = await Promise.all([
    kubelet,
    policy,
    startPodNetwork({
      ...shared,
      nft,
      log: log.child('podnet'),
      clusterCIDRs: config.podCIDRs,
      // The way to other nodes is not that to their pods, where it is a tunnel.
      directCIDRs: config.overlayEnds ? [] : config.nodeCIDRs,
      overlayEnds: config.overlayEnds,
      cniConfDir: config.cniConf,
      cniBinDirs: [cniPluginFolder()],
    }),
    proxy,
    kubelet.then((node) =>
      startKubeletServer({
        log: log.child('kubelet-server'),
        host: isIPv6(addresses[0] ?? '') ? '::' : '0.0.0.0',
        port: kubeletPort,
        tls: { ...tls, clientCA: tls.ca },
        node,
        reviews: createReviews(own.client, name),
        logs: { '': config.logs, pods: kubeletPaths(config.kubeletRoot).logs },
      }),
    ),
  ]);
  return [watchForShutdown(config.shutdown, await kubelet, log), ...running.filter((each) => each !== undefined), nft];
}

/** Without them pods say that their image is not there. */
async function shippedImages(config: AgentConfig, log: Log): Promise<void> {
  try {
    await loadShippedImages(config.criSocket, config.criRoot);
  } catch (error) {
    log.error('cannot load the images that ship with knit', { error });
  }
}

function read(file: string): string {
  return readFileSync(file, 'utf8');
}

await main(process.argv[2] ?? '');
