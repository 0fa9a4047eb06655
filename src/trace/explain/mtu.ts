import type { Pod } from '../../api/types.ts';
import type { Kernel } from './kernel.ts';
import type { Report } from './model.ts';
import { podText } from './pods.ts';

/** The two ends of a connection between nodes; a node that asks for itself has no pod. */
export interface Ends {
  readonly nodes: readonly [string, string];
  readonly pods: readonly Pod[];
}

/** Whether the largest packets that pods send fit through the network between their nodes. */
export async function checkMtu(report: Report, kernel: Kernel, { nodes, pods }: Ends): Promise<void> {
  const [links, own] = await Promise.all([
    Promise.all(nodes.map((node) => kernel.mtus(node))),
    Promise.all(pods.map((pod) => kernel.podMtu(pod))),
  ]);
  const known = links.filter((each) => each !== undefined);
  if (known.length < nodes.length) return;
  const tunnels = known.flatMap(({ tunnel }) => tunnel ?? []);
  const around = Math.max(0, ...known.flatMap(({ around }) => around ?? []));
  const room = Math.min(...known.map(({ uplink }) => uplink)) - around;
  // A tunnel's device with a smaller MTU than the pod's tells the pod so, and it sends less.
  const largest = Math.min(...own.flatMap((mtu) => mtu ?? []), ...tunnels);
  if (!Number.isFinite(largest) || largest <= room) return;
  const evidence = [
    ...pods.map((pod, index) => `${podText(pod)} sends up to ${own[index] ?? 'an unknown number of'} bytes`),
    ...(around > 0 ? [`the tunnel sends up to ${Math.min(...tunnels)}, and adds ${around}`] : []),
    ...nodes.map((node, index) => `${node} takes ${known[index]?.uplink} on its link`),
  ];
  const message = `packets of ${largest} bytes do not fit between ${nodes.join(' and ')}: there is room for ${room}`;
  report.fail('mtu', 'NODE_MTU_TOO_LARGE', `nodes ${nodes.toSorted().join(', ')}`, message, {
    evidence,
    partial: true,
  });
}
