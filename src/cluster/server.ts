import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { startApiServer } from '../apiserver/index.ts';
import { familyOf, urlHost } from '../base/cidr.ts';
import { createLog, type Log } from '../base/log.ts';
import type { Running } from '../base/running.ts';
import { type Client, createClient, createInformers, type InformerFactory } from '../client/index.ts';
import { startControllers } from '../controllers/index.ts';
import { startDnsAutoscaler } from '../dns/autoscaler.ts';
import { dnsManifests } from '../dns/manifests.ts';
import { knitClass } from '../edge/ingress/index.ts';
import { startLoadBalancers } from '../edge/loadbalancer/index.ts';
import { parsePublication, startPublishing } from '../edge/publish.ts';
import { startRoutes } from '../edge/routes.ts';
import { startHollowNodes } from '../kubelet/hollow/index.ts';
import { startScheduler } from '../scheduler/scheduler.ts';
import { openSqliteStore, type Store } from '../store/index.ts';
import { installAddon } from './addons.ts';
import { keepCompiledCode } from './compile-cache.ts';
import { apiAddressOf, type ClusterConfig, familiesOf, loadBalancerPools, readConfig } from './config.ts';
import { pauseImage } from './containerd.ts';
import { installGatewayApi } from './gateway-api.ts';
import { inProcessTransport } from './in-process.ts';
import { startIngress } from './ingress.ts';
import { clusterInfo, joiningRoles } from './joining.ts';
import { createLeading } from './leading.ts';
import { localVolumesOf, standardStorageClass } from './local-volumes.ts';
import { startNodeLabels } from './node-labels.ts';
import { nodeNetworkRoles } from './node-network.ts';
import { clusterPaths } from './paths.ts';
import { readIdentity } from './pki-files.ts';
import { distFolder } from './processes.ts';
import { kubernetesVersion } from './version.ts';

/** Where `knit up` puts the listening socket that it opened on the host's loopback. */
const hostSocket = 3;
const apiPort = 6443;

/**
 * The server of a cluster: API server, store, controllers, scheduler and what stands for the cloud, in one process in
 * the fabric's namespace. Its one argument is the cluster's name.
 */
async function main(name: string): Promise<void> {
  const log = createLog('server');
  const config = readConfig(name);
  const paths = clusterPaths(name);
  const store = await openStore(paths.store, config.spec.api.encryptionConfiguration);
  const metrics: (() => string[])[] = [];
  const moreMetrics = () => metrics.flatMap((lines) => lines());
  const apiServer = await startApiServer({ store, log: log.child('api'), moreMetrics, ...apiServerOptions(config) });
  // By its user agent a writer stands in managedFields.
  const clientOf = (userAgent: string) => createClient(inProcessTransport(apiServer), { userAgent });
  const client = clientOf('knit');
  const informers = createInformers(client, log);
  const rootCA = readFileSync(join(paths.pki, 'ca.crt'), 'utf8');
  const leading = createLeading({
    client: clientOf('leader-election'),
    log,
    identity: `${name}-server`,
    lost(lease) {
      log.error('another server leads', { lease });
      // What runs for the lease has no other end that is as sure. The keeper starts a candidate anew.
      process.exit(1);
    },
  });
  metrics.push(leading.metrics);
  const controllers = () =>
    startControllers({
      client: clientOf('kube-controller-manager'),
      informers,
      log: log.child('controllers'),
      podCIDRs: familiesOf(config).map(({ podCIDR }) => podCIDR),
      rootCA,
      localVolumes: localVolumesOf(name),
      signer: {
        // Loaded with the first request: what reads certificates is large.
        read: async (request) => (await import('./signer.ts')).signerOf(paths.pki).read(request),
        sign: async (order) => (await import('./signer.ts')).signerOf(paths.pki).sign(order),
      },
    }).then((started) => {
      metrics.push(() => started.metrics());
      return started;
    });
  const scheduler = () =>
    startScheduler({ client: clientOf('kube-scheduler'), informers, log: log.child('scheduler') }).then((started) => {
      metrics.push(() => started.metrics());
      return started;
    });
  const running: Running[] = await Promise.all([
    leading.lead('kube-controller-manager', controllers),
    leading.lead('kube-scheduler', scheduler),
    startRoutes({ informers, log: log.child('routes'), forwards: config.spec.network.podNetwork === 'routes' }),
    startDnsAutoscaler({
      client: clientOf('dns-autoscaler'),
      informers,
      log: log.child('controllers'),
      replicas: config.spec.dns.replicas,
    }),
    startLoadBalancers({
      client: clientOf('service-controller'),
      informers,
      log: log.child('load-balancer'),
      pools: loadBalancerPools(config),
      nodeCIDR: familiesOf(config)[0]?.nodeCIDR ?? '',
      healthCheck: config.spec.loadBalancer.healthCheck,
    }),
    startPublishing({
      informers,
      log: log.child('publish'),
      publications: config.spec.publish.map(parsePublication),
      firstFd: hostSocket + 1,
    }),
    startNodeLabels({
      client,
      informers,
      log: log.child('node-labels'),
      labelsOf: (node) => readConfig(name).nodes.find((each) => each.name === node)?.labels ?? {},
    }),
    startHollow(config, clientOf('hollow-kubelet'), informers, log.child('hollow')),
    startIngress(config, { client: clientOf('ingress-controller'), informers, log: log.child('ingress') }),
    installAddon(client, [
      ...dnsAddon(config),
      knitClass,
      standardStorageClass,
      clusterInfo(`https://${urlHost(apiAddressOf(config))}:${apiPort}`, rootCA),
    ]).then(() => ({
      stop: async () => undefined,
    })),
  ]);
  log.info('ready', { cluster: name });
  // A boot does not wait for it.
  if (config.spec.gatewayAPI) {
    installGatewayApi(client).catch((error: unknown) => log.error('the Gateway API is not defined', { error }));
  }
  keepCompiledCode();
  const stop = async () => {
    await Promise.all(running.map((each) => each.stop()));
    await informers.stop();
    await apiServer.stop();
    await store.close();
    process.exit(0);
  };
  for (const signal of ['SIGTERM', 'SIGINT'] as const) process.once(signal, () => void stop());
}

/** What encrypts is loaded where it is asked for. */
async function openStore(path: string, encryption: string | undefined): Promise<Store> {
  const store = await openSqliteStore(path);
  if (!encryption) return store;
  const { encryptedStore } = await import('../apiserver/encryption/store.ts');
  const { readEncryptionConfiguration } = await import('../apiserver/encryption/configuration.ts');
  return encryptedStore(store, readEncryptionConfiguration(encryption));
}

async function startHollow(
  config: ClusterConfig,
  client: Client,
  informers: InformerFactory,
  log: Log,
): Promise<Running> {
  const count = config.spec.hollowNodes;
  if (!count) return { stop: async () => undefined };
  const families = familiesOf(config).map(({ podCIDR }) => familyOf(podCIDR));
  return await startHollowNodes({ client, informers, log, count, version: kubernetesVersion, families });
}

function apiServerOptions(config: ClusterConfig) {
  const { pki, logs } = clusterPaths(config.name);
  const { auditPolicy } = config.spec.api;
  const ca = readFileSync(join(pki, 'ca.crt'), 'utf8');
  const identity = (name: string) => {
    const found = readIdentity(pki, name);
    if (!found) throw new Error(`${pki} has no certificate ${name}`);
    return found;
  };
  return {
    tls: { ...identity('server'), clientCA: ca },
    kubeletTLS: { ...identity('kubelet-client'), ca },
    frontProxy: { ...identity('front-proxy-client'), ca: readFileSync(join(pki, 'front-proxy-ca.crt'), 'utf8') },
    serviceAccount: {
      signingKey: readFileSync(join(pki, 'sa.key'), 'utf8'),
      issuer: `https://kubernetes.default.svc.${config.spec.dns.domain}`,
    },
    serviceCIDRs: familiesOf(config).map(({ serviceCIDR }) => serviceCIDR),
    nodePortRange: [30000, 32767] as const,
    advertise: { address: apiAddressOf(config), port: apiPort },
    roles: [...nodeNetworkRoles, ...joiningRoles],
    audit: auditPolicy ? { policy: auditPolicy, log: join(logs, 'audit.log') } : undefined,
    listen: [{ fd: hostSocket }, { host: config.spec.network.ipFamily === 'ipv6' ? '::' : '0.0.0.0', port: apiPort }],
  };
}

function dnsAddon(config: ClusterConfig) {
  return dnsManifests({
    clusterIP: config.addresses.dns,
    domain: config.spec.dns.domain,
    // A root file system with places to mount Node.js at.
    image: pauseImage,
    replicas: config.spec.dns.replicas,
    nodes: config.nodes.length,
    dualStack: familiesOf(config).length > 1,
    runtime: { nodeBinary: process.execPath, libDir: '/usr/lib', distDir: distFolder },
  });
}

await main(process.argv[2] ?? 'knit');
