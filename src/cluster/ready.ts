import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { endpointSlices, nodes } from '../api/resource.ts';
import type { EndpointSlice, Node } from '../api/types.ts';
import { createLog } from '../base/log.ts';
import { waitFor } from '../base/wait.ts';
import type { Client } from '../client/client.ts';
import { createClient, createInformers, httpsTransport } from '../client/index.ts';
import type { ClusterConfig } from './config.ts';
import { clusterPaths } from './paths.ts';
import { readIdentity } from './pki-files.ts';

/** A client of a cluster on this machine, with the administrator's identity. */
export function adminClient(config: ClusterConfig): { client: Client; close(): Promise<void> } {
  const { pki } = clusterPaths(config.name);
  const transport = httpsTransport({
    server: `https://127.0.0.1:${config.apiPort}`,
    ca: readFileSync(join(pki, 'ca.crt'), 'utf8'),
    ...readIdentity(pki, 'admin'),
  });
  return { client: createClient(transport), close: () => transport.close() };
}

/** Resolves when every node is Ready and cluster DNS has an endpoint; throws `TIMEOUT` with what is missing. */
export async function untilReady(config: ClusterConfig, timeoutMs: number, signal?: AbortSignal): Promise<void> {
  const { client, close } = adminClient(config);
  const informers = createInformers(
    client,
    createLog('up', () => undefined),
  );
  try {
    const nodeInformer = informers.informer(nodes);
    const dnsInformer = informers.informer(endpointSlices, {
      namespace: 'kube-system',
      labelSelector: 'kubernetes.io/service-name=kube-dns',
    });
    // They start over by themselves until they are stopped: that they do not sync shows below, as nodes that are missing.
    informers.start().catch(() => undefined);
    await waitFor(
      () => {
        const missing = [
          ...unreadyNodes(config, nodeInformer.list()),
          ...(dnsReady(dnsInformer.list()) ? [] : ['DNS']),
        ];
        if (missing.length > 0) throw new Error(`not ready: ${missing.join(', ')}`);
        return true;
      },
      { what: 'the cluster', timeoutMs, intervalMs: 5, signal },
    );
  } finally {
    await informers.stop();
    await close();
  }
}

function unreadyNodes(config: ClusterConfig, present: readonly Node[]): string[] {
  const ready = new Set(present.filter(isReady).map((node) => node.metadata?.name));
  return config.nodes.map((node) => node.name).filter((name) => !ready.has(name));
}

export function isReady(node: Node): boolean {
  return node.status?.conditions?.some((each) => each.type === 'Ready' && each.status === 'True') ?? false;
}

function dnsReady(slices: readonly EndpointSlice[]): boolean {
  return slices.some((slice) => slice.endpoints?.some((endpoint) => endpoint.conditions?.ready));
}
