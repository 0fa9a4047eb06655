import { nodes } from '../api/resource.ts';
import { familyOf, formatCIDR, overlaps, parseCIDR, subnetAt, widthOf } from '../base/cidr.ts';
import { KnitError } from '../base/errors.ts';
import type { Controller } from '../client/controller.ts';
import type { ControllerContext } from './context.ts';

/** Gives each node its part of the pods' networks, `spec.podCIDRs`, and takes it back when the node is gone. */
export function startNodeIPAM(context: ControllerContext): Controller {
  const { client, informers, run } = context;
  const allNodes = informers.informer(nodes);
  const masks = context.nodeCIDRMaskSize ?? { ipv4: 24, ipv6: 64 };
  const pools = context.podCIDRs.map((cidr) => createPool(cidr, masks[familyOf(cidr)]));
  const events = context.events('cidrAllocator');

  const controller = run({
    name: 'node-ipam-controller',
    informers: [allNodes],
    // One at a time: two nodes must not be given the same part.
    workers: 1,
    async sync(name) {
      const node = allNodes.get(name);
      if (!node) {
        for (const pool of pools) pool.release(name);
        return;
      }
      if (node.spec?.podCIDR) return;
      const podCIDRs = pools.flatMap((pool) => pool.assign(name) ?? []);
      if (podCIDRs.length < pools.length) {
        events.event(node, 'Normal', 'CIDRNotAvailable', `Node ${name} status is now: CIDRNotAvailable`);
        throw new KnitError('POD_CIDR_FULL', `${context.podCIDRs.join(' or ')} has no part left for node ${name}`);
      }
      await client.patch(nodes, { name }, 'merge', { spec: { podCIDR: podCIDRs[0], podCIDRs } });
    },
  });

  // What nodes have already is known before the first one without is looked at: the copy is whole by then.
  allNodes.onChange((node, old) => {
    const name = (node ?? old)?.metadata?.name ?? '';
    for (const cidr of node?.spec?.podCIDRs ?? []) for (const pool of pools) pool.taken(name, cidr);
    controller.enqueue(name);
  });
  return controller;
}

/** Parts of one network by the node that has them. Exported for its test. */
export function createPool(network: string, bits: number) {
  const whole = parseCIDR(network);
  if (bits < whole.bits || bits > widthOf(whole.family)) {
    throw new KnitError('CIDR_INVALID', `${network} has no parts of /${bits}`, 'choose a longer prefix for nodes');
  }
  const parts = 2 ** (bits - whole.bits);
  const byNode = new Map<string, string>();
  /** Where the search goes on, so that a part that was just given back rests a while. */
  let next = 0;

  return {
    /** Says nothing where `cidr` is of another network. */
    taken(node: string, cidr: string): void {
      if (overlaps(whole, parseCIDR(cidr))) byNode.set(node, cidr);
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
