import { readFileSync } from 'node:fs';
import { createLog, type Log } from '../base/log.ts';
import type { Running } from '../base/running.ts';
import { type Client, createClient, createInformers, httpsTransport, type InformerFactory } from '../client/index.ts';
import { openNft } from '../kernel/nft.ts';
import { startKubelet } from '../kubelet/index.ts';
import { startKubeletServer } from '../kubelet/server/index.ts';
import { startPodNetwork } from '../podnet/index.ts';
import { startPolicy } from '../policy/index.ts';
import { startProxy } from '../proxy/index.ts';
import type { AgentConfig } from './agent-config.ts';
import { keepCompiledCode } from './compile-cache.ts';
import { cniPluginFolder } from './containerd.ts';
import { loadShippedImages } from './prepared-images.ts';

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
  const tls = { ca: read(config.ca), cert: read(config.cert), key: read(config.key) };
  const client = createClient(httpsTransport({ server: config.server, ...tls }), { userAgent: 'kubelet' });
  const informers = createInformers(client, log);
  const running = await startComponents(config, tls, client, informers, log);
  log.info('ready', { node: config.node.name });
  keepCompiledCode();
  const stop = async () => {
    for (const each of running) await each.stop();
    await informers.stop();
    process.exit(0);
  };
  for (const signal of ['SIGTERM', 'SIGINT'] as const) process.once(signal, () => void stop());
}

async function startComponents(
  config: AgentConfig,
  tls: { ca: string; cert: string; key: string },
  client: Client,
  informers: InformerFactory,
  log: Log,
): Promise<Running[]> {
  const { name, addresses, labels } = config.node;
  const mode = config.proxyMode;
  const shared = { client, informers, nodeName: name };
  const nft = openNft({ log: log.child('nft') });
  const policy = startPolicy({ ...shared, nft, log: log.child('policy'), nodeIPs: addresses });
  const kubelet = startKubelet({
    ...shared,
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
    version: config.version,
    imagesReady: shippedImages(config, log),
    podStarts: async (pod, podIPs) => (await policy).podStarts(pod, podIPs),
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
    ...(mode === 'none'
      ? []
      : [
          startProxy({
            ...shared,
            nft,
            log: log.child('proxy'),
            nodeIPs: addresses,
            clusterCIDRs: config.podCIDRs,
            mode,
            healthz: { port: proxyHealthPort },
            metrics: { host: '127.0.0.1', port: proxyMetricsPort },
          }),
        ]),
    kubelet.then((node) =>
      startKubeletServer({
        log: log.child('kubelet-server'),
        host: '0.0.0.0',
        port: kubeletPort,
        tls: { ...tls, clientCA: tls.ca },
        node,
      }),
    ),
  ]);
  return [...running, nft];
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
