import { mayKubeletSet } from '../api/node-labels.ts';
import { nodes } from '../api/resource.ts';
import type { Labels, Node } from '../api/types.ts';
import type { Log } from '../base/log.ts';
import type { Running } from '../base/running.ts';
import type { Client, InformerFactory } from '../client/index.ts';

/** Labels that a node's own kubelet may give it, and those that it may not. */
export function dividedLabels(labels: Labels): { readonly own: Labels; readonly others: Labels } {
  const entries = Object.entries(labels);
  return {
    own: Object.fromEntries(entries.filter(([label]) => mayKubeletSet(label))),
    others: Object.fromEntries(entries.filter(([label]) => !mayKubeletSet(label))),
  };
}

export interface NodeLabelsOptions {
  readonly client: Client;
  readonly informers: InformerFactory;
  readonly log: Log;
  /** Of the cluster file, as it is now. */
  labelsOf(node: string): Labels;
}

/** Gives nodes the labels of the cluster file that kubelets may not give themselves: `node-role.kubernetes.io/…`. */
export function startNodeLabels({ client, informers, log, labelsOf }: NodeLabelsOptions): Running {
  const works = new Set<Promise<void>>();
  const label = async (node: Node): Promise<void> => {
    const name = node.metadata?.name ?? '';
    const wanted = dividedLabels(labelsOf(name)).others;
    const missing = Object.entries(wanted).filter(([key]) => node.metadata?.labels?.[key] === undefined);
    if (missing.length === 0) return;
    await client.patch(nodes, { name }, 'merge', { metadata: { labels: Object.fromEntries(missing) } });
  };
  // Once for each node that comes: what people change afterwards stays.
  informers.informer(nodes).onChange((node, old) => {
    if (!node || old) return;
    const work = label(node)
      .catch((error: unknown) => log.warn('cannot label a node', { node: node.metadata?.name, error }))
      .finally(() => works.delete(work));
    works.add(work);
  });
  return {
    async stop() {
      await Promise.all(works);
    },
  };
}
