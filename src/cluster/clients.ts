import { addressAt, indexOf, parseCIDR } from '../base/cidr.ts';
import { KnitError } from '../base/errors.ts';
import { addClientLink, removeClientLink } from '../machine/fabric.ts';
import { firstClient } from './addresses.ts';
import { type ClientConfig, type ClusterConfig, contextName, writeConfig } from './config.ts';
import { fabricSpec } from './fabric.ts';
import { withLock } from './lock.ts';
import { runningConfig } from './running.ts';
import { checkClientName } from './spec.ts';

/** Adds a client outside a running cluster, with an address of its own. Throws `CLIENT_EXISTS`, `CLUSTER_STOPPED`. */
export async function addClient(cluster: string, name: string): Promise<ClientConfig> {
  checkClientName(name);
  return await withLock(cluster, async () => {
    const config = runningConfig(cluster);
    if (config.clients.some((client) => client.name === name))
      throw new KnitError('CLIENT_EXISTS', `there is a client named ${name} already`, 'choose another name');
    const client = placeClient(config, name);
    const grown = { ...config, clients: [...config.clients, client] };
    try {
      await addClientLink(fabricSpec(grown), client);
    } catch (error) {
      await removeClientLink(contextName(cluster), name);
      throw error;
    }
    writeConfig(grown);
    return client;
  });
}

/** Takes a client away. Throws `CLIENT_UNKNOWN`. */
export async function deleteClient(cluster: string, name: string): Promise<void> {
  await withLock(cluster, async () => {
    const config = runningConfig(cluster);
    const clients = config.clients.filter((client) => client.name !== name);
    if (clients.length === config.clients.length) {
      const known = config.clients.map((client) => client.name).join(', ');
      throw new KnitError('CLIENT_UNKNOWN', `there is no client named ${name}`, `there is: ${known}`);
    }
    await removeClientLink(contextName(cluster), name);
    writeConfig({ ...config, clients });
  });
}

/** The first free address. */
function placeClient({ addresses, clients }: ClusterConfig, name: string): ClientConfig {
  const network = parseCIDR(addresses.clientCIDR);
  const taken = new Set(clients.map(({ address }) => indexOf(network, address)));
  let place = firstClient;
  while (taken.has(place)) place++;
  const { ipv6 } = addresses;
  return {
    name,
    address: addressAt(network, place),
    ...(ipv6 ? { ipv6: addressAt(parseCIDR(ipv6.clientCIDR), place) } : {}),
  };
}
