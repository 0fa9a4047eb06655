import { nodes } from '../api/resource.ts';
import { formatCIDR, parseCIDR, sizeOf, subnetAt } from '../base/cidr.ts';
import { KnitError } from '../base/errors.ts';
import type { Controller } from '../client/controller.ts';
import type { ControllerContext } from './context.ts';

/** Gives each node its part of the pod network, `spec.podCIDR`, and takes it back when the node is gone. */
export function startNodeIPAM(context: ControllerContext): Controller {
  const { client, informers, run } = context;
  const allNodes = informers.informer(nodes);
  const pool = createPool(context.podCIDR, context.nodeCIDRMaskSize ?? 24);
  const events = context.events('cidrAllocator');

  const controller = run({
    name: 'node-ipam-controller',
    informers: [allNodes],
    // One at a time: two nodes must not be given the same part.
    workers: 1,
    async sync(name) {
      const node = allNodes.get(name);
      if (!node) return pool.release(name);
      if (node.spec?.podCIDR) return;
      const podCIDR = pool.assign(name);
      if (!podCIDR) {
        events.event(node, 'Normal', 'CIDRNotAvailable', `Node ${name} status is now: CIDRNotAvailable`);
        throw new KnitError('POD_CIDR_FULL', `${context.podCIDR} has no part left for node ${name}`);
      }
      await client.patch(nodes, { name }, 'merge', { spec: { podCIDR, podCIDRs: [podCIDR] } });
    },
  });

  // What nodes have already is known before the first one without is looked at: the copy is whole by then.
  allNodes.onChange((node, old) => {
    const name = (node ?? old)?.metadata?.name ?? '';
    if (node?.spec?.podCIDR) pool.taken(name, node.spec.podCIDR);
    controller.enqueue(name);
  });
  return controller;
}

/** Parts of one network by the node that has them. Exported for its test. */
export function createPool(network: string, bits: number) {
  const whole = parseCIDR(network);
  if (bits < whole.bits || bits > 32) {
    throw new KnitError('CIDR_INVALID', `${network} has no parts of /${bits}`, 'choose a longer prefix for nodes');
  }
  const parts = sizeOf(whole) / 2 ** (32 - bits);
  const byNode = new Map<string, string>();
  /** Where the search goes on, so that a part that was just given back rests a while. */
  let next = 0;

  return {
    taken(node: string, cidr: string): void {
      byNode.set(node, cidr);
    },
    release(node: string): void {
      byNode.delete(node);
    },
    /** The node's part; undefined where none is left. */
    assign(node: string): string | undefined {
      const present = byNode.get(node);
      if (present) return present;
      const used = new Set(byNode.values());
      for (let tried = 0; tried < parts; tried++) {
        const cidr = formatCIDR(subnetAt(whole, bits, (next + tried) % parts));
        if (used.has(cidr)) continue;
        byNode.set(node, cidr);
        next = (next + tried + 1) % parts;
        return cidr;
      }
      return undefined;
    },
  };
}
