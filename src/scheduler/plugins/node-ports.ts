import { type FilterPlugin, rejection } from '../framework.ts';
import type { NodeInfo } from '../nodeinfo.ts';
import type { HostPort } from '../podinfo.ts';

const taken = rejection(false, "node(s) didn't have free ports for the requested pod ports");
const anyAddress = '0.0.0.0';

/** Two pods of a node can't have the same host port. */
export const nodePorts: FilterPlugin = {
  name: 'NodePorts',
  wokenBy: ['NodeAdded', 'PodRemoved'],
  filter(pod) {
    if (pod.hostPorts.length === 0) return undefined;
    return (node) => (pod.hostPorts.some((wanted) => isTaken(node, wanted)) ? taken : undefined);
  },
};

function isTaken(node: NodeInfo, { ip, port, protocol }: HostPort): boolean {
  for (const user of node.hostPorts.get(`${port}/${protocol}`) ?? []) {
    const [address] = user.split(' ');
    if (address === ip || address === anyAddress || ip === anyAddress) return true;
  }
  return false;
}
