import { addressAt, parseCIDR } from '../base/cidr.ts';
import type { FabricSpec } from '../machine/fabric.ts';
import { type ClusterConfig, contextName } from './config.ts';

/** What the machine needs to know of a cluster. */
export function fabricSpec(config: ClusterConfig): FabricSpec {
  const { addresses } = config;
  return {
    prefix: contextName(config.name),
    address: addresses.fabric,
    clientGateway: addressAt(parseCIDR(addresses.clientCIDR), 1),
    podCIDR: addresses.podCIDR,
    serviceCIDR: addresses.serviceCIDR,
    nodeCIDR: addresses.nodeCIDR,
    host: addresses.host,
    uplink: config.spec.network.uplink,
    nodes: config.nodes,
    clients: config.clients,
  };
}
