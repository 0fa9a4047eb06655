import { addressAt, parseCIDR } from '../base/cidr.ts';
import type { Log } from '../base/log.ts';
import type { Running } from '../base/running.ts';
import type { InformerFactory } from '../client/informer.ts';
import { ingressNetns } from '../machine/fabric.ts';
import { type OverlayEnd, startOverlay } from '../podnet/index.ts';
import type { ProxySource } from '../trace/explain/facts.ts';
import { type ClusterConfig, contextName, familiesOf } from './config.ts';

/** The Ingress proxy as an end of the overlay: inside it has the second address of the nodes' network, which no node has. */
export function ingressEnd(config: ClusterConfig): OverlayEnd {
  return {
    at: familiesOf(config)[0]?.ingress ?? '',
    addresses: familiesOf(config).map(({ nodeCIDR }) => addressAt(parseCIDR(nodeCIDR), 2)),
    networks: [],
  };
}

/** Where the Ingress proxy's connections come from. */
export function proxySource(config: ClusterConfig): ProxySource {
  const addresses = familiesOf(config).map(({ ingress }) => ingress);
  return config.spec.network.podNetwork === 'vxlan'
    ? { addresses, inside: ingressEnd(config).addresses }
    : { addresses };
}

/** What makes the Ingress proxy's namespace an end of the overlay. Does nothing where the fabric routes to pods. */
export interface IngressOverlay extends Running {
  /** The namespace stands: makes it an end, and keeps it one. */
  follow(): Promise<void>;
}

export function ingressOverlay(
  config: ClusterConfig,
  { informers, log }: { readonly informers: InformerFactory; readonly log: Log },
): IngressOverlay {
  let running: Running | undefined;
  return {
    async follow() {
      if (config.spec.network.podNetwork !== 'vxlan') return;
      await running?.stop();
      running = await startOverlay({
        informers,
        log,
        self: ingressEnd(config),
        netns: ingressNetns(contextName(config.name)),
      });
    },
    async stop() {
      await running?.stop();
      running = undefined;
    },
  };
}
