import { networkInterfaces } from 'node:os';
import { nodes } from '../../api/resource.ts';
import { contains, familyOf, parseCIDR } from '../../base/cidr.ts';
import { KnitError } from '../../base/errors.ts';
import type { Log } from '../../base/log.ts';
import type { Running } from '../../base/running.ts';
import { waitFor } from '../../base/wait.ts';
import type { Client } from '../../client/client.ts';
import { createInformers } from '../../client/informers.ts';
import { openNft } from '../../kernel/nft.ts';
import type { ProxyMode } from '../backends.ts';
import type { ListenAddress } from '../health.ts';
import { startProxy } from '../proxy.ts';
import { refuseRivals } from './rivals.ts';

export interface StandaloneOptions {
  readonly client: Client;
  readonly log: Log;
  readonly nodeName: string;
  readonly mode: ProxyMode;
  readonly clusterCIDRs: readonly string[];
  /** CIDRs, or `primary`. Empty: all addresses that the Node has. */
  readonly nodePortAddresses: readonly string[];
  readonly healthz: ListenAddress;
  readonly metrics: ListenAddress;
  /** Serve host ports of this node's pods too, which wants the right to read pods. */
  readonly hostPorts: boolean;
}

const NODE_DEADLINE_MS = 60_000;

/**
 * The proxy of a node of any cluster, which it knows only through the API server. Throws what {@link refuseRivals}
 * throws, and `NODE_UNKNOWN`.
 */
export async function startStandaloneProxy(options: StandaloneOptions): Promise<Running> {
  const { client, log, nodePortAddresses, ...rest } = options;
  const nft = openNft({ log });
  const informers = createInformers(client, log);
  const stop = async () => {
    await informers.stop();
    await nft.stop();
  };
  try {
    await refuseRivals(nft);
    const nodeIPs = await addressesOfNode(options);
    const asked = nodePortAddresses.filter((each) => each !== 'primary');
    const proxy = await startProxy({
      ...rest,
      client,
      informers,
      log,
      nft,
      nodeIPs,
      ...(asked.length > 0 ? { nodePortIPs: ownAddressesIn(asked) } : {}),
    });
    return {
      async stop() {
        await proxy.stop();
        await stop();
      },
    };
  } catch (error) {
    await stop();
    throw error;
  }
}

/** The Node may be registered after its proxy starts. */
async function addressesOfNode({ client, log, nodeName }: StandaloneOptions): Promise<string[]> {
  let complained = false;
  try {
    return await waitFor(
      async () => {
        const node = await client.get(nodes, { name: nodeName }).catch((error: unknown) => {
          if (!complained) log.warn('cannot read this node yet, trying again', { node: nodeName, error });
          complained = true;
          throw error;
        });
        const addresses = node.status?.addresses?.filter(({ type }) => type === 'InternalIP') ?? [];
        return addresses.length > 0 && addresses.map(({ address }) => address);
      },
      { what: `the addresses of node ${nodeName}`, timeoutMs: NODE_DEADLINE_MS, intervalMs: 500 },
    );
  } catch (error) {
    throw new KnitError('NODE_UNKNOWN', `no Node ${nodeName} with an address`, 'give its name with --node-name', {
      cause: error,
    });
  }
}

function ownAddressesIn(cidrs: readonly string[]): string[] {
  const networks = cidrs.map(parseCIDR);
  const own = Object.values(networkInterfaces()).flatMap((addresses) => addresses ?? []);
  return own
    .map(({ address }) => address)
    .filter((address) => !(familyOf(address) === 'ipv6' && address.startsWith('fe80:')))
    .filter((address) => networks.some((network) => contains(network, address)));
}
