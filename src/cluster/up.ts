import { getServers } from 'node:dns';
import { existsSync, mkdirSync, readdirSync, readFileSync } from 'node:fs';
import { isIPv4 } from 'node:net';
import { addressAt, type CIDR, formatCIDR, parseCIDR } from '../base/cidr.ts';
import { KnitError } from '../base/errors.ts';
import { parsePublication } from '../edge/publish.ts';
import { processesIn } from '../kernel/cgroup.ts';
import { machineNetworks } from '../kernel/ip.ts';
import { socketsOf } from '../kernel/sockets.ts';
import { createFabric } from '../machine/fabric.ts';
import { chooseAddresses, firstClient, firstNode, networksOf, type TakenNetwork } from './addresses.ts';
import { complaints } from './complaints.ts';
import { type ClusterConfig, contextName, findConfig, serviceRangeOf, stateVersion, writeConfig } from './config.ts';
import { removeRuntime, removeState } from './down.ts';
import { fabricSpec, openUplink } from './fabric.ts';
import { addToKubeconfig, checkKubeconfig } from './kubeconfig.ts';
import { withAddresses, withLock } from './lock.ts';
import { issueNodeIdentity, startNode } from './node.ts';
import { clusterPaths, stateRoot } from './paths.ts';
import { closeAll, type ListeningSocket, listenForCluster } from './ports.ts';
import { preflight } from './preflight.ts';
import type { Progress } from './progress.ts';
import { untilReady } from './ready.ts';
import { clusterCgroup } from './running.ts';
import { startServer, startUplink } from './services.ts';
import { type ClusterSpec, defaultClusterSpec } from './spec.ts';
import { nodeSpecs } from './spec-values.ts';

export interface UpOptions {
  readonly name: string;
  /** What the cluster shall be. Left out: as it was, where its state was kept; else the default. */
  readonly spec?: ClusterSpec;
  readonly progress: Progress;
  /** How long to wait for nodes and DNS. Default 60 s. */
  readonly timeoutMs?: number;
  /** Write a context into the user's kubeconfig. Default true. */
  readonly kubeconfig?: boolean;
  /** Ends it early: the step that runs is ended properly, then all is undone, and the signal's reason thrown. */
  readonly signal?: AbortSignal;
}

export interface UpResult {
  readonly config: ClusterConfig;
  /** The kubeconfig that has the context now. */
  readonly kubeconfig?: string;
  /** Its state was there from before. */
  readonly kept: boolean;
}

/**
 * Makes a cluster, or starts one whose state was kept, and returns when its nodes are ready and DNS answers. What a
 * crash left of it is cleaned away first. When a step fails, what was made is undone: a new cluster leaves nothing, a
 * kept one its state. Throws `CLUSTER_RUNNING` where it runs already.
 */
export async function up(options: UpOptions): Promise<UpResult> {
  return await withLock(options.name, () => upLocked(options));
}

async function upLocked(options: UpOptions): Promise<UpResult> {
  const { name, spec, progress, kubeconfig = true } = options;
  const kept = findConfig(name);
  refuseRunning(name);
  if (kept && spec) {
    throw new KnitError(
      'CLUSTER_EXISTS',
      `the cluster ${name} exists: its state was kept`,
      `start it as it was, without options, or remove it: knit down --name ${name}`,
    );
  }
  const pki = import('./pki.ts'); // slow to load: meanwhile others work
  await progress.step('Looking at this machine', () => preflight(kept?.spec ?? spec));
  await pki;
  if (kubeconfig) await checkKubeconfig();
  await removeRuntime(name);
  const published = (kept?.spec ?? spec)?.publish.map((text) => parsePublication(text).port) ?? [];
  const sockets = await listenForCluster(kept?.apiPort ?? spec?.api.port, published);
  try {
    const config = kept ?? (await claimed(name, spec ?? defaultClusterSpec(), sockets[0].port));
    return { ...(await startOrUndo(options, config, sockets, kept !== undefined)), config, kept: kept !== undefined };
  } finally {
    closeAll(sockets);
  }
}

async function startOrUndo(
  { name, progress, timeoutMs = 60_000, kubeconfig = true, signal }: UpOptions,
  config: ClusterConfig,
  sockets: readonly ListeningSocket[],
  keepState: boolean,
): Promise<{ kubeconfig?: string }> {
  const since = Date.now();
  try {
    await start(config, sockets, progress, signal);
    await progress.step('Waiting for nodes and DNS', () => untilReady(config, { timeoutMs, since, signal }));
    return kubeconfig ? { kubeconfig: await addToKubeconfig(config) } : {};
  } catch (error) {
    for (const line of complaints(config)) progress.note(line);
    await progress.step('Undoing', () => undo(name, keepState));
    // An interrupt in a terminal ends the commands of the step as well: their failure is not the cause.
    signal?.throwIfAborted();
    throw error;
  }
}

async function start(
  config: ClusterConfig,
  sockets: readonly ListeningSocket[],
  progress: Progress,
  signal: AbortSignal | undefined,
): Promise<void> {
  signal?.throwIfAborted();
  const count = config.nodes.length === 1 ? 'one node' : `${config.nodes.length} nodes`;
  await progress.step(`Making certificates and networks for ${count}`, () =>
    allSettled([issueIdentities(config), createFabric(fabricSpec(config)).then(() => openUplink(config))]),
  );
  signal?.throwIfAborted();
  await progress.step(`Starting the API server and ${count}`, () =>
    allSettled([
      // From here on the server alone accepts: a connection that this process took would wait in vain.
      startServer(config, sockets).then(() => closeAll(sockets)),
      startUplink(config),
      ...config.nodes.map((node) => startNode(config, node)),
    ]),
  );
}

/** Resolves when all have; throws the first failure, but only when nothing is under way any more. */
async function allSettled(works: readonly Promise<unknown>[]): Promise<void> {
  const results = await Promise.allSettled(works);
  const failed = results.find((result) => result.status === 'rejected');
  if (failed) throw failed.reason;
}

async function issueIdentities(config: ClusterConfig): Promise<void> {
  const { CertificateAuthority, serviceAccountKey } = await import('./pki.ts');
  const folder = clusterPaths(config.name).pki;
  const authority = await CertificateAuthority.open(folder);
  const { addresses, spec } = config;
  await Promise.all([
    serviceAccountKey(folder),
    // Aggregated API servers believe who asks from this CA's client alone.
    CertificateAuthority.open(folder, 'front-proxy-ca').then((frontProxy) =>
      frontProxy.identity('front-proxy-client', { commonName: 'front-proxy-client' }),
    ),
    authority.identity('admin', { commonName: 'kubernetes-admin', organizations: ['system:masters'] }),
    authority.identity('kubelet-client', {
      commonName: 'kube-apiserver-kubelet-client',
      organizations: ['system:masters'],
    }),
    authority.identity('server', {
      commonName: 'kube-apiserver',
      dnsNames: [
        'localhost',
        'kubernetes',
        'kubernetes.default',
        'kubernetes.default.svc',
        `kubernetes.default.svc.${spec.dns.domain}`,
      ],
      addresses: [
        '127.0.0.1',
        addresses.fabric,
        addresses.host.fabric,
        addresses.ipv6?.fabric ?? [],
        addressAt(serviceRangeOf(config), 1),
      ].flat(),
    }),
    // What the Ingress proxy shows where nobody brought a certificate.
    authority.identity('ingress', { commonName: 'knit-ingress', dnsNames: ['ingress.local'] }),
    ...config.nodes.map((node) => issueNodeIdentity(authority, config, node)),
  ]);
}

/** A new cluster, written down before anybody else chooses addresses. */
function claimed(name: string, spec: ClusterSpec, apiPort: number): Promise<ClusterConfig> {
  return withAddresses(async () => {
    const config = await newConfig(name, spec, apiPort);
    mkdirSync(clusterPaths(name).logs, { recursive: true });
    writeConfig(config);
    return config;
  });
}

async function newConfig(name: string, spec: ClusterSpec, apiPort: number): Promise<ClusterConfig> {
  const addresses = chooseAddresses(spec, await takenNetworks(name, spec.network.ipFamily), namedHosts());
  const nodeCIDR = parseCIDR(addresses.nodeCIDR);
  const outsideCIDR = parseCIDR(addresses.outsideCIDR);
  const clientCIDR = parseCIDR(addresses.clientCIDR);
  const { ipv6 } = addresses;
  return {
    stateVersion,
    name,
    createdAt: new Date().toISOString(),
    spec,
    addresses,
    apiPort,
    nodes: nodeSpecs(spec).map((node, index) => ({
      ...node,
      address: addressAt(nodeCIDR, firstNode + index),
      outsideAddress: addressAt(outsideCIDR, firstNode + index),
      ...(ipv6 ? { ipv6: addressAt(parseCIDR(ipv6.nodeCIDR), firstNode + index) } : {}),
    })),
    clients: spec.clients.map((client, index) => ({
      name: client,
      address: addressAt(clientCIDR, firstClient + index),
      ...(ipv6 ? { ipv6: addressAt(parseCIDR(ipv6.clientCIDR), firstClient + index) } : {}),
    })),
  };
}

/** What other clusters and the machine itself use. */
async function takenNetworks(name: string, families: ClusterSpec['network']['ipFamily']): Promise<TakenNetwork[]> {
  const others = clusterNames().filter((other) => other !== name);
  const clusters = others.flatMap((other) => {
    return networksOfCluster(other).map((cidr) => ({ cidr: formatCIDR(cidr), by: `cluster ${other}` }));
  });
  const machine = await machineNetworks(families === 'ipv4' ? ['ipv4'] : ['ipv4', 'ipv6']);
  return [
    ...clusters,
    ...machine.map((network) => ({ cidr: network.cidr, by: `${network.interface} of this machine` })),
    ...peersOfMachine().map((address) => ({ cidr: `${address}/32`, by: 'whom this machine speaks with' })),
  ];
}

/** Whom this machine's hosts file names. */
function namedHosts(): TakenNetwork[] {
  if (!existsSync('/etc/hosts')) return [];
  const lines = readFileSync('/etc/hosts', 'utf8').split('\n');
  return lines.flatMap((line) => {
    const [address = '', name = ''] = line.replace(/#.*/, '').trim().split(/\s+/);
    return isIPv4(address) ? [{ cidr: `${address}/32`, by: `${name} of /etc/hosts` }] : [];
  });
}

/** Documentation and benchmarking ranges are used by more than one: a proxy there must not be routed to a cluster. */
function peersOfMachine(): string[] {
  const remotes = socketsOf('self').map(({ remote }) => remote.address);
  return [...new Set([...remotes, ...getServers()])].filter(
    (address) => isIPv4(address) && !/^(0|127)\./.test(address),
  );
}

/** None where its state cannot be read: another cluster's trouble is not this one's. */
function networksOfCluster(name: string): CIDR[] {
  try {
    const config = findConfig(name);
    return config ? networksOf(config.addresses) : [];
  } catch (error) {
    if (error instanceof KnitError) return [];
    throw error;
  }
}

/** All clusters that have state on this machine, running or not. */
export function clusterNames(): string[] {
  if (!existsSync(stateRoot)) return [];
  return readdirSync(stateRoot).filter((name) => existsSync(clusterPaths(name).config));
}

function refuseRunning(name: string): void {
  if (processesIn(`${clusterCgroup(name)}/server`).length === 0) return;
  const flag = contextName(name) === 'knit' ? '' : ` --name ${name}`;
  throw new KnitError(
    'CLUSTER_RUNNING',
    `the cluster ${name} runs already`,
    `look at it: knit status${flag}; or end it: knit down${flag}`,
  );
}

async function undo(name: string, keepState: boolean): Promise<void> {
  await removeRuntime(name);
  if (!keepState) removeState(name);
}
