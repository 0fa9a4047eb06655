import { setTimeout as delay } from 'node:timers/promises';
import { leases, nodes } from '../api/resource.ts';
import type { Lease } from '../api/types.ts';
import { messageOf } from '../base/errors.ts';
import type { Log } from '../base/log.ts';
import type { Running } from '../base/running.ts';
import { type Client, isNotFound } from '../client/client.ts';

const NAMESPACE = 'kube-node-lease';
/** The kubelet's defaults. */
const DURATION_S = 40;
const RENEW_MS = 10_000;
const RETRY_MS = 100;

/** Tells the control plane that the node is alive (KEP-589). */
export function startLease(client: Client, nodeName: string, log: Log): Running {
  const abort = new AbortController();
  const { signal } = abort;
  const running = (async () => {
    let failing = false;
    while (!signal.aborted) {
      try {
        await renewLease(client, nodeName);
        failing = false;
      } catch (error) {
        // A lease belongs to a node: until that is registered, which is nobody's fault, there is none.
        if (!failing && !isNotFound(error)) log.warn('cannot renew the node’s lease yet', { error: messageOf(error) });
        failing = true;
      }
      await delay(failing ? RETRY_MS : RENEW_MS, undefined, { signal }).catch(() => undefined);
    }
  })();
  return {
    async stop() {
      abort.abort();
      await running;
    },
  };
}

/** Renews a node's lease, or makes it. Throws what the API server says: 404 where the node is not registered. */
export async function renewLease(client: Client, nodeName: string): Promise<void> {
  // MicroTime: six digits
  const renewTime = new Date().toISOString().replace(/Z$/, '000Z');
  const spec = { holderIdentity: nodeName, leaseDurationSeconds: DURATION_S, renewTime };
  try {
    await client.patch(leases, { namespace: NAMESPACE, name: nodeName }, 'merge', { spec });
  } catch (error) {
    if (!isNotFound(error)) throw error;
    const { metadata } = await client.get(nodes, { name: nodeName });
    const lease: Lease = {
      apiVersion: 'coordination.k8s.io/v1',
      kind: 'Lease',
      metadata: {
        name: nodeName,
        namespace: NAMESPACE,
        // The lease goes with its node.
        ownerReferences: [{ apiVersion: 'v1', kind: 'Node', name: nodeName, uid: metadata?.uid ?? '' }],
      },
      spec,
    };
    await client.create(leases, lease);
  }
}
