import { addressAt, parseCIDR } from '../base/cidr.ts';
import type { FabricSpec } from '../machine/fabric.ts';
import { openHostNat } from '../machine/host-nat.ts';
import { type ClusterConfig, contextName } from './config.ts';
import { forwardingRecords } from './paths.ts';

/** Opens the host where the cluster's way out is the host's own routing; needs the cluster's link. */
export async function openUplink(config: ClusterConfig): Promise<void> {
  if (config.spec.network.uplink !== 'nat') return;
  const { interface: hostInterface } = config.addresses.host;
  await openHostNat({ prefix: contextName(config.name), hostInterface, records: forwardingRecords });
}

/** What the machine needs to know of a cluster. */
export function fabricSpec(config: ClusterConfig): FabricSpec {
  const { addresses } = config;
  const { ipv6 } = addresses;
  return {
    prefix: contextName(config.name),
    fabric: addresses.fabric,
    clientGateway: addressAt(parseCIDR(addresses.clientCIDR), 1),
    podCIDR: addresses.podCIDR,
    serviceCIDR: addresses.serviceCIDR,
    nodeCIDR: addresses.nodeCIDR,
    outsideCIDR: addresses.outsideCIDR,
    loadBalancerCIDR: addresses.loadBalancerCIDR,
    host: addresses.host,
    uplink: config.spec.network.uplink,
    ...(ipv6 ? { ipv6: { ...ipv6, clientGateway: addressAt(parseCIDR(ipv6.clientCIDR), 1) } } : {}),
    nodes: config.nodes,
    clients: config.clients,
  };
}
