import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { endpointSlices, nodes, pods } from '../api/resource.ts';
import type { EndpointSlice, Node, Pod } from '../api/types.ts';
import { createLog } from '../base/log.ts';
import { waitFor } from '../base/wait.ts';
import type { Client, Transport } from '../client/client.ts';
import { createClient, createInformers, httpsTransport } from '../client/index.ts';
import type { ClusterConfig } from './config.ts';
import { clusterPaths } from './paths.ts';
import { readIdentity } from './pki-files.ts';

/** To a cluster on this machine, with the administrator's identity. */
export function adminTransport(config: ClusterConfig): Transport {
  const { pki } = clusterPaths(config.name);
  return httpsTransport({
    server: `https://127.0.0.1:${config.apiPort}`,
    ca: readFileSync(join(pki, 'ca.crt'), 'utf8'),
    ...readIdentity(pki, 'admin'),
  });
}

/** A client over {@link adminTransport}. */
export function adminClient(config: ClusterConfig): { client: Client; close(): Promise<void> } {
  const transport = adminTransport(config);
  return { client: createClient(transport), close: () => transport.close() };
}

export interface ReadyOptions {
  readonly timeoutMs: number;
  /**
   * When this start of the cluster began, in ms since the epoch. A cluster whose state was kept has nodes and pods that
   * are called ready from before: only what was said since counts.
   */
  readonly since: number;
  readonly signal?: AbortSignal;
}

/** Resolves when every node is Ready and cluster DNS has an endpoint (where Services have a proxy); throws `TIMEOUT` with what is missing. */
export async function untilReady(config: ClusterConfig, { timeoutMs, since, signal }: ReadyOptions): Promise<void> {
  const { client, close } = adminClient(config);
  const informers = createInformers(
    client,
    createLog('up', () => undefined),
  );
  // The API's times are in whole seconds.
  const began = Math.floor(since / 1000) * 1000;
  // Without a proxy no pod reaches the API server, DNS not either.
  const withDNS = config.spec.proxy.mode !== 'none';
  try {
    const nodeInformer = informers.informer(nodes);
    const dnsInformer = informers.informer(pods, { namespace: 'kube-system', labelSelector: 'k8s-app=kube-dns' });
    const sliceInformer = informers.informer(endpointSlices, {
      namespace: 'kube-system',
      labelSelector: 'kubernetes.io/service-name=kube-dns',
    });
    // They start over by themselves until they are stopped: that they do not sync shows below, as nodes that are missing.
    informers.start().catch(() => undefined);
    await waitFor(
      () => {
        const missing = [
          ...unreadyNodes(config, nodeInformer.list(), began),
          ...(withDNS && !dnsReady(sliceInformer.list(), dnsInformer.list(), began) ? ['DNS'] : []),
        ];
        if (missing.length > 0) throw new Error(`not ready: ${missing.join(', ')}`);
        return true;
      },
      { what: 'the cluster', timeoutMs, intervalMs: 20, signal, hint: 'a slow machine needs longer: --wait 5m' },
    );
  } finally {
    await informers.stop();
    await close();
  }
}

function unreadyNodes(config: ClusterConfig, present: readonly Node[], began: number): string[] {
  const ready = new Set(present.filter((node) => isReadySince(node, began)).map((node) => node.metadata?.name));
  return config.nodes.map((node) => node.name).filter((name) => !ready.has(name));
}

function isReadySince(node: Node, began: number): boolean {
  const told = readyCondition(node)?.lastHeartbeatTime;
  return isReady(node) && told !== undefined && Date.parse(told) >= began;
}

export function isReady(node: Node): boolean {
  return readyCondition(node)?.status === 'True';
}

function readyCondition(node: Node) {
  return node.status?.conditions?.find((each) => each.type === 'Ready');
}

/** A pod that was started since is a ready endpoint. */
function dnsReady(slices: readonly EndpointSlice[], dnsPods: readonly Pod[], began: number): boolean {
  const fresh = new Set(dnsPods.filter((pod) => isStartedSince(pod, began)).map((pod) => pod.metadata?.name));
  return slices.some((slice) =>
    slice.endpoints?.some(({ conditions, targetRef }) => conditions?.ready && fresh.has(targetRef?.name)),
  );
}

function isStartedSince(pod: Pod, began: number): boolean {
  return (pod.status?.containerStatuses ?? []).every(({ ready, state }) => {
    const startedAt = state?.running?.startedAt;
    return ready && startedAt !== undefined && Date.parse(startedAt) >= began;
  });
}
